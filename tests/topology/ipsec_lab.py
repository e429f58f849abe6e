# SPDX-License-Identifier: Apache-2.0
"""A tenant's site behind IKEv2: strongSwan with ESP in user space, in a namespace at the internet.

How the gateway is told, and of which address, is the caller's matter.
"""

from strongswan import StrongSwan, connection

VIP = "203.0.113.4"  # wanted.provider_networks(): what the pool answers at
LAN, MACHINE = "10.3.0.0/24", "10.3.0.10"


class IpsecSite:
    """A router at the internet with strongSwan, and its inside address on the loopback."""

    def __init__(self, scene, tenant, address, vip):
        self.tenant, self.address, self.vip = tenant, address, vip
        self.ns = scene.net.namespace("ipsec-" + tenant.name)
        scene.net.plug(scene.fabric.switch, "internet", self.ns, "ul0", offload=False)
        self.ns.ip("addr add %s/24 dev ul0" % address, "route add default via 198.51.100.1", "addr add %s/32 dev lo" % MACHINE)
        self.swan = StrongSwan(scene.net, tenant.name, self.ns)

    @property
    def identity(self):
        return self.tenant.name + ".example"

    def secret(self):
        return "secret-of-" + self.tenant.name

    def load(self, secret=None, **more):
        self.swan.load(connection("hq", self.address, self.vip, self.identity, self.vip, secret or self.secret(), local_ts=LAN,
                                  remote_ts="10.0.0.0/16", **more))


def ipsec_connection(site, secret=None):
    """Properties of the connection to `site`, for a PUT."""
    return {"connectionType": "IPSec", "outboundKiloBitsPerSecond": 100000, "inboundKiloBitsPerSecond": 100000,
            "ipSecConfiguration": {
                "authenticationMethod": "PSK", "sharedSecret": secret or site.secret(),
                "quickMode": {"perfectForwardSecrecy": "None", "authenticationTransformationConstant": "GCMAES256",
                              "cipherTransformationConstant": "GCMAES256", "saLifeTimeSeconds": 3600,
                              "saLifeTimeKiloBytes": 102400000, "idleDisconnectSeconds": 500},
                "mainMode": {"diffieHellmanGroup": "Group14", "integrityAlgorithm": "SHA256",
                             "encryptionAlgorithm": "AES256", "saLifeTimeSeconds": 28800, "saLifeTimeKiloBytes": 102400000}},
            "ipAddresses": [], "peerIPAddresses": [], "routes": [{"destinationPrefix": LAN, "metric": 10}],
            "destinationIPAddress": site.address, "isthmus": {"peerIdentity": site.identity}}
