# SPDX-License-Identifier: Apache-2.0
"""What isthmus-bgp and BIRD can do beyond routes: add-path, roles, long messages, words at the end; and a peer that never reads.

   tenant namespace (10.0.0.1) ---- site (10.0.0.2 BIRD, AS 65001; 10.0.0.3, 10.0.0.4: senders)
   isthmus-bgp, AS 64512
"""

import struct
import sys
import threading
import time

import pytest

from bgp import FLAG, Bird, speaker_beside
from bgp_sender import Sender, announcement, attribute, message, withdrawal
from localapi import constants
from net import ROOT, Net, wait_for

PROVIDER, CUSTOMER = 0, 3


@pytest.fixture
def scene():
    with Net() as net:
        speaker, site = speaker_beside(net, ["10.0.0.2", "10.0.0.3", "10.0.0.4"], max_routes=1200000)
        yield net, speaker, site


def bird(net, site, extra, channel, statics=""):
    return Bird(net, site, "bird", """
router id 10.0.0.2;
%s
protocol bgp isthmus { local 10.0.0.2 as 65001; neighbor 10.0.0.1 as 64512; connect retry time 1; connect delay time 1;
  error wait time 1, 2; %s ipv4 { import all; export all; %s }; }
""" % (statics, extra, channel))


def test_add_path_roles_and_long_messages_with_bird(scene):
    net, speaker, site = scene
    speaker.peer(7, "10.0.0.2", 65001, "add_path_send", "add_path_receive", "extended_message", "has_role", "strict_role", role=PROVIDER)
    for address, asn in (("10.0.0.3", 65003), ("10.0.0.4", 65004)):
        speaker.peer(7, address, asn, "passive")
        Sender(site, address, "10.0.0.1", asn).send(announcement(["10.7.0.0/16"], address, [asn]))
    other = bird(net, site, "local role customer; enable extended messages on;", "add paths on;", """
protocol static s1 { ipv4 { preference 200; }; route 10.1.0.0/16 blackhole { bgp_community.add((65001,1)); }; }
protocol static s2 { ipv4 { preference 100; }; route 10.1.0.0/16 blackhole { bgp_community.add((65001,2)); }; }
""")
    state = speaker.wait_established(7, "10.0.0.2")
    for flag in ("add_path_send", "add_path_receive", "extended_message"):
        assert state.flags & FLAG[flag], flag
    wait_for(lambda: speaker.state(7, "10.0.0.2").received[0] == 2, what="both of BIRD's paths to one prefix")
    wait_for(lambda: other.routes().get("10.7.0.0/16", "").count("BGP.next_hop") == 2, what="both of ours at BIRD")
    assert "BGP.otc: 64512" in other.routes()["10.7.0.0/16"]  # to a customer
    other.ctl_run("disable", "s1")
    wait_for(lambda: speaker.state(7, "10.0.0.2").received[0] == 1, what="one path withdrawn")
    assert speaker.fib_routes(7)["10.1.0.0/16"] == ["10.0.0.2"]


def test_communities_of_all_kinds_and_unknown_attributes_travel_on(scene):
    """RFC 1997, 4360, 8092, and RFC 4271 9 for what nobody here knows."""
    net, speaker, site = scene
    speaker.peer(7, "10.0.0.2", 65001)
    speaker.peer(7, "10.0.0.3", 65003, "passive")
    extra = attribute(0xc0, 8, struct.pack(">HH", 65003, 9)) + attribute(0xc0, 16, struct.pack(">BBHI", 0, 2, 65003, 7))
    extra += attribute(0xc0, 32, struct.pack(">III", 65003, 1, 2)) + attribute(0xc0, 99, b"word")
    Sender(site, "10.0.0.3", "10.0.0.1", 65003).send(announcement(["10.7.0.0/16"], "10.0.0.3", [65003], extra=extra))
    other = bird(net, site, "", "")
    speaker.wait_established(7, "10.0.0.2")
    text = wait_for(lambda: other.routes().get("10.7.0.0/16"), what="the route at BIRD")
    for line in ("BGP.community: (65003,9)", "BGP.ext_community: (rt, 65003, 7)", "BGP.large_community: (65003, 1, 2)",
                 "BGP.63 [t]: 77 6f 72 64"):
        assert line in text, (line, text)


def test_equal_paths_share_until_one_goes(scene):
    net, speaker, site = scene
    senders = {}
    for address in ("10.0.0.3", "10.0.0.4"):
        speaker.peer(7, address, 65003, "passive")
        senders[address] = Sender(site, address, "10.0.0.1", 65003)
        senders[address].send(announcement(["10.7.0.0/16"], address, [65003, 100]))
    wait_for(lambda: speaker.fib_routes(7).get("10.7.0.0/16") == ["10.0.0.3", "10.0.0.4"], what="both next hops")
    senders["10.0.0.4"].send(announcement(["10.7.0.0/16"], "10.0.0.4", [65003, 100, 101]))
    wait_for(lambda: speaker.fib_routes(7).get("10.7.0.0/16") == ["10.0.0.3"], what="the longer path out of use")
    senders["10.0.0.3"].send(withdrawal(["10.7.0.0/16"]))
    wait_for(lambda: speaker.fib_routes(7).get("10.7.0.0/16") == ["10.0.0.4"], what="the longer path in its stead")


def test_two_providers_do_not_come_together(scene):
    net, speaker, site = scene
    speaker.peer(7, "10.0.0.2", 65001, "has_role", role=PROVIDER)
    bird(net, site, "local role provider;", "")
    wait_for(lambda: b"Role Mismatch" in speaker.state(7, "10.0.0.2").last_error, what="the refusal: %s" % speaker.state(7, "10.0.0.2"))
    assert speaker.state(7, "10.0.0.2").flaps == 0


def test_words_at_the_end_of_a_session_arrive(scene):
    net, speaker, site = scene
    speaker.peer(7, "10.0.0.2", 65001, "no_restart")
    other = bird(net, site, "", "")
    speaker.wait_established(7, "10.0.0.2")
    other.ctl_run("disable", "isthmus", '"moving house"')
    wait_for(lambda: speaker.state(7, "10.0.0.2").last_error == b"received Cease/Administrative Shutdown: moving house",
             what="BIRD's words: %s" % speaker.state(7, "10.0.0.2").last_error)
    other.ctl_run("enable", "isthmus")
    speaker.wait_established(7, "10.0.0.2", 30)
    speaker.peer(7, "10.0.0.2", 65001, "no_restart", "disabled", shutdown_text=b"back at nine")
    wait_for(lambda: "back at nine" in other.ctl_run("show", "protocols", "all", "isthmus") + other.process.output(), what="our words")


def test_who_never_reads_is_left_after_the_send_hold_time(scene):
    """RFC 9687: its keepalives come, but it takes no bytes. Others of the tenant's go on."""
    net, speaker, site = scene
    speaker.peer(7, "10.0.0.2", 65001, "passive", "no_restart", send_hold_time_s=3)
    speaker.peer(7, "10.0.0.3", 65003, "passive")
    deaf = Sender(site, "10.0.0.2", "10.0.0.1", 65001, answers=False)
    ends = threading.Event()

    def keep():
        while not ends.wait(1):
            try:
                deaf.send(message(4))
            except OSError:
                return
    threading.Thread(target=keep, daemon=True).start()
    speaker.wait_established(7, "10.0.0.2")
    net.spawn("many", [sys.executable, ROOT / "tests/lib/bgp_hostile.py", "million", "10.0.0.3", "10.0.0.1", "65003", "12"], site)
    began = time.monotonic()
    wait_for(lambda: speaker.state(7, "10.0.0.3").received[0] == 1000000, 30, "a million routes to tell")
    wait_for(lambda: b"Send Hold Timer Expired" in speaker.state(7, "10.0.0.2").last_error, 30, "the end of the deaf one's session")
    assert time.monotonic() - began >= 3
    assert speaker.state(7, "10.0.0.3").state == constants["API_BGP_ESTABLISHED"]
    ends.set()
