# SPDX-License-Identifier: Apache-2.0
"""IPsec from end to end: two tenants with equal addresses, sites by IKEv2 on one public address.

   vm1 (h1), vm2 (h2) of contoso, fabrikam --VXLAN-- gateway 10.65.0.50 --ESP in UDP-- site-a, site-b
   10.0.0.4  10.0.0.5                                isthmus-ike                        10.3.0.10 each

The sites run strongSwan with ESP in user space. The forwarder and isthmus-ike are configured over
their local API.
"""

import ctypes

import pytest

import direct
import localapi
from gateway import Gateway, counted
from ipsec_lab import LAN, MACHINE, IpsecSite
from localapi import LocalApi, constants as C, ip, structs
from net import program, wait_for
from scene import Scene
from traffic import ping

VIP = "10.65.0.50"
AES_CBC, AES_GCM_16, SHA2_256_128, MODP_2048 = 12, 20, 12, 14


class Lab:
    def __init__(self):
        self.scene = Scene(gre=False, vlan=False)
        try:
            self._start()
        except BaseException:
            self.scene.close()
            raise

    def _start(self):
        self.gateway = Gateway(self.scene.net, self.scene.gateway_ns)
        self.gateway.start_forwarder()
        self.ike_socket = self.scene.net.dir / "ike.sock"
        self.start_ike()
        self.sites = {t.name: IpsecSite(self.scene, t, "198.51.100.%d" % (20 + t.number), VIP) for t in self.scene.tenants}
        direct.configure(self.scene, self.gateway)
        with self.gateway.api() as api:
            slot = direct.slot()
            slot.vip[0] = ip(VIP)
            api.set("slot", slot)
            for site in self.sites.values():
                self._connection(api, site)
        for site in self.sites.values():
            for host in self.scene.hosts.values():
                host.router(site.tenant.name).route(LAN, site.tenant.gateway_vni, direct.gateway_address(site.tenant),
                                                    direct.gateway_mac(site.tenant), direct.SLOT_PA)
            site.load()

    def start_ike(self):
        self.ike = self.scene.net.spawn("ike", [program("isthmus-ike"), "--socket", self.ike_socket, "--forwarder", self.gateway.socket])
        wait_for(lambda: self.ike_socket.exists() and self._ike_answers(), 15, "isthmus-ike answers")

    def _ike_answers(self):
        try:
            LocalApi(self.ike_socket).close()
            return True
        except OSError:
            return False

    @staticmethod
    def conn(tenant):
        return tenant.number * 10 + 3

    def _connection(self, api, site):
        t = site.tenant
        api.set("conn", conn=self.conn(t), vrf=t.number, slot=direct.SLOT, type=C["API_CONN_IPSEC"],
                flags=C["API_CONN_F_ENABLED"], local=ip(VIP), remote=ip(site.address), name=b"ipsec")
        api.set("route", direct.route(t.number, LAN, "CONN", self.conn(t)))
        self.tell_ike(site)

    def tell_ike(self, site, secret=None, **fields):
        t = site.tenant
        c = structs["api_ike_conn"](conn=self.conn(t), vrf=t.number, slot=direct.SLOT, auth=1, flags=1, local=ip(VIP),
                                    remote=ip(site.address), remote_id=site.identity.encode(), proposal_count=1,
                                    child_proposal_count=1, **fields)
        c.proposal[0].encr, c.proposal[0].encr_bits, c.proposal[0].integ, c.proposal[0].dh = AES_CBC, 256, SHA2_256_128, MODP_2048
        c.child_proposal[0].encr, c.child_proposal[0].encr_bits = AES_GCM_16, 256
        k = structs["api_ike_credential"](conn=self.conn(t), type=C["API_IKE_CRED_PSK"])
        word = (secret or site.secret()).encode()
        k.secret_size = len(word)
        ctypes.memmove(k.secret, word, len(word))
        with LocalApi(self.ike_socket) as api:
            api.set("ike_credential", k)
            api.set("ike_conn", c)

    def unreachable(self):
        """Each tenant's machines with its own site, both ways."""
        bad = []
        for site in self.sites.values():
            for vm in site.tenant.vms.values():
                for ns, to in ((vm.ns, MACHINE), (site.ns, vm.addresses[0])):
                    if not ping(ns, to, 2, source=MACHINE if ns is site.ns else None):
                        bad.append("%s -> %s" % (ns.name, to))
        return bad

    def close(self):
        self.scene.close()


@pytest.fixture
def lab():
    lab = Lab()
    yield lab
    lab.close()


def esp_packets(site):
    """What the site's TUN device of user-space ESP has taken in."""
    return int(site.ns.run(["cat", "/sys/class/net/ipsec0/statistics/rx_packets"]).stdout)


def test_tenants_reach_their_own_sites_only(lab):
    for site in lab.sites.values():
        site.swan.initiate("hq")
    assert lab.unreachable() == []
    for site in lab.sites.values():
        other = next(s for s in lab.sites.values() if s is not site)
        before = esp_packets(site), esp_packets(other)
        assert ping(site.tenant.vms["vm1"].ns, MACHINE, 3) == 3
        assert esp_packets(site) >= before[0] + 3
        assert esp_packets(other) == before[1]


def test_no_packet_leaves_in_clear_before_the_tunnel(lab):
    vm = lab.scene.tenants[0].vms["vm1"]
    with counted(lab.gateway) as increase:
        assert not ping(vm.ns, MACHINE, 2)
    assert increase.get("drop.esp_no_sa", 0) + increase.get("drop.conn_down", 0) >= 2


def test_traffic_goes_on_while_ike_is_dead(lab):
    site = lab.sites["contoso"]
    site.swan.initiate("hq")
    vm = site.tenant.vms["vm1"]
    assert ping(vm.ns, MACHINE, 3)
    lab.ike.kill()
    lab.ike.proc.wait()
    assert ping(vm.ns, MACHINE, 5)
