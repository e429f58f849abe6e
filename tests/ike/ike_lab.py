# SPDX-License-Identifier: Apache-2.0
"""What the stories of isthmus-ike against strongSwan share.

    [gw: isthmus-ike + a stand-in forwarder] 192.0.2.1 ----- 192.0.2.2, .3 [site: strongSwan]
"""

import contextlib
import ctypes
import ipaddress
import re

import localapi
from localapi import LocalApi, constants
from net import Net, program, wait_for
from strongswan import StrongSwan

ENABLED, INITIATE = 1, 2
AES_CBC, AES_GCM_16, SHA2_256_128, MODP_2048 = 12, 20, 12, 14
AUTHENTICATION_FAILED, NO_PROPOSAL_CHOSEN, TS_UNACCEPTABLE, NO_ANSWER = 24, 14, 38, 809
UP = constants["API_IKE_UP"]


def address(text):
    ip = ipaddress.ip_address(text)
    a = localapi.structs["ip_addr"]()
    a.family = ip.version
    ctypes.memmove(a.bytes, ip.packed, len(ip.packed))
    return a


class Gateway:
    """isthmus-ike and the stand-in, in a namespace of the lab."""

    def __init__(self, net, ns, addresses):
        self.net, self.ns, self.addresses = net, ns, addresses
        self.socket, self.forwarder_socket = net.dir / "ike.sock", net.dir / "forwarder.sock"
        self.start_forwarder()
        self.start_ike()

    def start_forwarder(self):
        self.forwarder = self.net.spawn("forwarder", [program("ike-test-forwarder"), self.forwarder_socket, *self.addresses],
                                        self.ns)
        self.starts = getattr(self, "starts", 0) + 1
        wait_for(lambda: self.forwarder.output().count("ready\n") == self.starts, 10, "the stand-in is ready")

    def start_ike(self):
        self.ike = self.net.spawn("ike", [program("isthmus-ike"), "--socket", self.socket,
                                          "--forwarder", self.forwarder_socket, "--verbose"], self.ns)
        wait_for(self._answers, 15, "isthmus-ike answers")

    def _answers(self):
        try:
            self.api().close()
            return True
        except OSError:
            return False

    def api(self):
        return LocalApi(self.socket)

    def connect(self, conn, remote, peer_id, secret, local="192.0.2.1", slot=5, flags=ENABLED, dh=MODP_2048,
                suites=None, selectors=None, **more):
        """suites: {"proposal": (encr, bits, integ, dh)}; selectors: {"local_ts": api_ike_selector}; more: members."""
        c = localapi.structs["api_ike_conn"]()
        c.conn, c.vrf, c.slot, c.auth, c.flags = conn, conn, slot, 1, flags
        c.local = address(local)
        if remote:
            c.remote = address(remote)
        c.remote_id = peer_id.encode()
        c.proposal_count = c.child_proposal_count = 1
        c.proposal[0].encr, c.proposal[0].encr_bits = AES_CBC, 256
        c.proposal[0].integ, c.proposal[0].dh = SHA2_256_128, dh
        c.child_proposal[0].encr, c.child_proposal[0].encr_bits = AES_GCM_16, 256
        for name, suite in (suites or {}).items():
            p = getattr(c, name)[0]
            p.encr, p.encr_bits, p.integ, p.dh = suite
        for name, selector in (selectors or {}).items():
            getattr(c, name)[0] = selector
            setattr(c, name + "_count", 1)
        for name, value in more.items():
            setattr(c, name, value)
        k = localapi.structs["api_ike_credential"]()
        k.conn, k.type, k.secret_size = conn, constants["API_IKE_CRED_PSK"], len(secret)
        ctypes.memmove(k.secret, secret.encode(), len(secret))
        with self.api() as api:
            if secret:
                api.set("ike_credential", k)
            api.set("ike_conn", c)

    def give(self, conn, kind, der, index=0):
        """A credential: kind is CERTIFICATE, KEY, CA or CRL."""
        k = localapi.structs["api_ike_credential"]()
        k.conn, k.type, k.index, k.secret_size = conn, constants["API_IKE_CRED_" + kind], index, len(der)
        ctypes.memmove(k.secret, der, len(der))
        with self.api() as api:
            api.set("ike_credential", k)

    def state(self, conn):
        with self.api() as api:
            return next(s for s in api.dump("ike_state") if s.conn == conn)

    def is_up(self, conn):
        return self.state(conn).state == UP

    def refused_calls(self):
        """System calls that its sandbox refused, as it logged them."""
        return re.findall(r"system call .*", self.ike.output())

    def told(self, pattern):
        """What the stand-in was told, as groups of the pattern."""
        return re.findall(pattern, self.forwarder.output())


@contextlib.contextmanager
def laboratory():
    with Net() as net:
        gw, site = net.namespace("gw"), net.namespace("site")
        net.link(gw, "u0", site, "u0", mtu=1500)
        gw.ip("addr add 192.0.2.1/24 dev u0", "addr add 2001:db8::1/64 dev u0 nodad")
        site.ip("addr add 192.0.2.2/24 dev u0", "addr add 192.0.2.3/24 dev u0", "addr add 2001:db8::2/64 dev u0 nodad")
        gateway = Gateway(net, gw, ["192.0.2.1", "2001:db8::1"])
        yield net, gateway, StrongSwan(net, "site", site)
        assert not gateway.refused_calls()
