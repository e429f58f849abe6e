# SPDX-License-Identifier: Apache-2.0
"""BIRD as oracle: the same random updates to isthmus-bgp and to BIRD, the same best paths out.

MED is compared across neighbour ASes here: BIRD 2.0.12 with "deterministic med" was seen to prefer a lower
LOCAL_PREF. That the outcome does not depend on order is tested with the decision process itself.

   peers (10.0.0.11 .. 14) ---- isthmus-bgp (10.0.0.1)
                          \\---- BIRD (10.0.0.2)
"""

import random
import re

from bgp import Bird, Speaker
from bgp_sender import Sender, announcement, withdrawal
from localapi import constants, ip_text
from net import Net, wait_for

LOCAL_AS = 64512
PEERS = {"10.0.0.11": 65001, "10.0.0.12": 65001, "10.0.0.13": 65002, "10.0.0.14": LOCAL_AS, "10.0.0.15": 65003}


def bird_config():
    text = "router id 10.0.0.2;\n"
    for i, (address, asn) in enumerate(PEERS.items()):
        direct = " direct;" if asn == LOCAL_AS else ""
        text += ("protocol bgp p%d { local 10.0.0.2 as %d; neighbor %s as %d; passive; hold time 240; med metric on;%s "
                 "ipv4 { import all; export none; }; }\n" % (i, LOCAL_AS, address, asn, direct))
    return text


def best_of_bird(bird):
    best, at = {}, None
    for line in bird.ctl_run("show", "route", "primary", "all").splitlines():
        match = re.match(r"(\d\S+/\d+)", line)
        at = match.group(1) if match else at
        hop = re.search(r"BGP\.next_hop: (\S+)", line)
        if hop:
            best[at] = hop.group(1)
    return best


def change(rnd, local, asn, prefixes):
    chosen = rnd.sample(prefixes, rnd.randint(1, 6))
    if rnd.random() < 0.25:
        return withdrawal(chosen)
    internal = asn == LOCAL_AS
    path = [rnd.randint(100, 104) for _ in range(rnd.randint(1, 2))]
    path = ([] if internal else [asn]) + path
    return announcement(chosen, local, path, origin=rnd.randint(0, 2),
                        med=rnd.choice([None, 0, 10, 20]), local_pref=rnd.choice([90, 100, 110]) if internal else None)


def test_random_updates_lead_to_the_same_best_paths_as_in_bird(seed, long_s):
    rnd = random.Random(seed)
    prefixes = ["20.%d.%d.0/24" % (i // 256, i % 256) for i in range(60)]
    with Net() as net:
        tenant, oracle, peers = net.namespace("tenant"), net.namespace("oracle"), net.namespace("peers")
        net.bridge(peers, "br0")
        peers.ip(*["addr add %s/24 dev br0" % a for a in PEERS])
        net.plug(peers, "br0", tenant, "eth0")
        net.plug(peers, "br0", oracle, "eth0")
        tenant.ip("addr add 10.0.0.1/24 dev eth0")
        oracle.ip("addr add 10.0.0.2/24 dev eth0")
        speaker = Speaker(net)
        speaker.tenant(7, tenant, "10.0.0.1")
        speaker.router(7, LOCAL_AS, "10.0.0.1", flags=constants["API_BGP_ROUTER_ALWAYS_MED"])
        for address, asn in PEERS.items():
            speaker.peer(7, address, asn, "passive", hold_time_s=240)
        bird = Bird(net, oracle, "bird", bird_config())
        senders = {(to, a): Sender(peers, a, to, asn, hold=240) for to in ("10.0.0.1", "10.0.0.2") for a, asn in PEERS.items()}

        def same():
            ours = {p: ip_text(r.next_hop) for p, r in speaker.routes(7).items()}
            return ours == best_of_bird(bird) or None
        rounds = 40 if not long_s else 40 + long_s * 2
        for number in range(rounds):
            for _ in range(50):
                address = rnd.choice(list(PEERS))
                data = change(rnd, address, PEERS[address], prefixes)
                for to in ("10.0.0.1", "10.0.0.2"):
                    senders[to, address].send(data)
            try:
                wait_for(same, 5)
            except AssertionError:
                ours, birds = {p: ip_text(r.next_hop) for p, r in speaker.routes(7).items()}, best_of_bird(bird)
                raise AssertionError("round %d, seed %d: (ours, BIRD's) %s" % (number, seed, {
                    p: (ours.get(p), birds.get(p)) for p in {*ours, *birds} if ours.get(p) != birds.get(p)}) + ''.join(
                        bird.ctl_run('show', 'route', p, 'all') for p in ours if ours.get(p) != birds.get(p))) from None
        assert len(speaker.routes(7)) > 30
