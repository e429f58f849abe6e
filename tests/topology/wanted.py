# SPDX-License-Identifier: Apache-2.0
"""What is PUT for scene.py: bodies of the published API, as [path, properties] in order."""

from fabric import GREVIP_ROUTER, HNV_ROUTER
from scene import HOST_PAS

GATEWAY = "GW1"
HNV_SUBNET = "/logicalNetworks/HNVPA/subnets/HNVPA_Subnet"
POOL = "default"


def ref(path):
    return {"resourceRef": path}


def logical_network(name, subnet, prefix, vlan, gateway, pool=None, virtualised=False):
    properties = {"addressPrefix": prefix, "vlanId": str(vlan), "defaultGateways": [gateway] if gateway else [], "dnsServers": [],
                  "isPublic": False, "ipPools": []}
    if pool:
        properties["ipPools"] = [{"resourceId": "pool", "properties": {"startIpAddress": pool[0], "endIpAddress": pool[1]}}]
    return ["logicalNetworks/" + name, {"networkVirtualizationEnabled": virtualised,
                                        "subnets": [{"resourceId": subnet, "properties": properties}]}]


def provider(redundant=0):
    """What the provider sets up once: networks, hosts, a pool of one gateway."""
    return [*provider_networks(redundant), *gateway(GATEWAY, 21)]


def provider_networks(redundant=0):
    """All but the gateways; `redundant` is the N of the pool's M+N."""
    return [
        ["credentials/NCHostUser", {"type": "usernamePassword", "userName": "isthmus", "value": "secret"}],
        ["macPools/DefaultMacPool", {"startMacAddress": "00-1D-D8-B7-1C-00", "endMacAddress": "00-1D-D8-F4-1F-FF"}],
        logical_network("HNVPA", "HNVPA_Subnet", "10.64.0.0/24", 0, HNV_ROUTER, ("10.64.0.100", "10.64.0.199"), True),
        logical_network("GreVIP", "GreVIP_Subnet", "10.65.0.0/24", 0, GREVIP_ROUTER, ("10.65.0.2", "10.65.0.254")),
        ["publicIPAddresses/gw-vip", {"ipAddress": "203.0.113.4", "publicIPAllocationMethod": "Static"}],
        *[["servers/" + name, {"connections": [], "isthmus": {"providerAddresses": [pa]}}] for name, pa in HOST_PAS.items()],
        ["gatewayPools/" + POOL, {
            "type": "All", "redundantGatewayCount": redundant, "gatewayCapacityKiloBitsPerSecond": 10000000,
            "ipConfiguration": {"greVipSubnets": [ref("/logicalNetworks/GreVIP/subnets/GreVIP_Subnet")],
                                "publicIPAddresses": [ref("/publicIPAddresses/gw-vip")]}}],
    ]


def gateway(name, number, pool=POOL, kind="All"):
    """A gateway host: its server, its network cards, itself; `number` ends all its addresses."""
    return [
        ["virtualServers/" + name, {"connections": [{"managementAddresses": ["10.63.0.%d" % number], "credentialType": "usernamePassword",
                                                    "credential": ref("/credentials/NCHostUser")}],
                                    "vmGuid": "FE49D841-B5DC-4638-869D-509289BA00%02X" % number}],
        ["networkInterfaces/%s_BackEnd" % name, {
            "privateMacAddress": "001DD8B71C%02X" % (2 * number), "privateMacAllocationMethod": "Static"}],
        ["networkInterfaces/%s_FrontEnd" % name, {
            "privateMacAddress": "001DD8B71C%02X" % (2 * number + 1), "privateMacAllocationMethod": "Static",
            "ipConfigurations": [{"resourceId": "FrontEnd", "properties": {
                "subnet": ref(HNV_SUBNET), "privateIPAddress": "10.64.0.%d" % number, "privateIPAllocationMethod": "Static"}}]}],
        ["gateways/" + name, {
            "pool": ref("/gatewayPools/" + pool), "type": kind, "virtualServer": ref("/virtualServers/" + name),
            "networkInterfaces": {"externalNetworkInterface": ref("/networkInterfaces/%s_FrontEnd" % name),
                                  "internalNetworkInterface": ref("/networkInterfaces/%s_BackEnd" % name)},
            "isthmus": {"underlayPort": 0, "l3Port": 1}}],
    ]


def network(t):
    return t.name + "_VNet"


def tenant_network(t):
    vnet = "/virtualNetworks/" + network(t)
    yield ["virtualNetworks/" + network(t), {
        "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "logicalNetwork": ref("/logicalNetworks/HNVPA"),
        "subnets": [{"resourceId": "VMs", "properties": {"addressPrefix": t.subnet}},
                    {"resourceId": "Gateway", "properties": {"addressPrefix": t.gateway_subnet}}]}]
    for vm, address in t.vm_addresses.items():
        yield ["networkInterfaces/" + nic_name(t, vm), nic(t, vm, address, t.vm_hosts[vm], vnet)]


def nic_name(t, vm):
    return "%s_%s" % (t.name, vm)


def nic(t, vm, address, server, vnet):
    return {"privateMacAddress": t.vm_macs[vm].replace(":", "").upper(), "privateMacAllocationMethod": "Static",
            "ipConfigurations": [{"resourceId": "ip", "properties": {
                "subnet": ref(vnet + "/subnets/VMs"), "privateIPAddress": address, "privateIPAllocationMethod": "Static"}}],
            "isthmus": {"server": ref("/servers/" + server)}}


def gre_connection(t):
    return {"connectionType": "GRE", "outboundKiloBitsPerSecond": 100000, "inboundKiloBitsPerSecond": 100000,
            "greConfiguration": {"greKey": str(t.gre_key)}, "ipAddresses": [], "peerIPAddresses": [],
            "routes": [{"destinationPrefix": t.gre_lan, "metric": 10}], "destinationIPAddress": t.site_address}


def l3_connection(t):
    return {"connectionType": "L3", "outboundKiloBitsPerSecond": 100000, "inboundKiloBitsPerSecond": 100000,
            "l3Configuration": {"vlanSubnet": ref("/logicalNetworks/%s_L3/subnets/L3" % t.name)},
            "ipAddresses": [{"ipAddress": t.vlan_gateway, "prefixLength": 29}], "peerIPAddresses": [t.vlan_router],
            "routes": [{"destinationPrefix": t.vlan_lan, "nextHop": t.vlan_router, "metric": 10}]}


def tenant_gateway(t):
    if t.vlan_site:
        yield logical_network(t.name + "_L3", "L3", "10.127.134.0/29", t.vlan, None)
    connections = []
    if t.gre_site:
        connections.append({"resourceId": "GreGW", "properties": gre_connection(t)})
    if t.vlan_site:
        connections.append({"resourceId": "L3GW", "properties": l3_connection(t)})
    yield ["virtualGateways/" + t.name, {
        "gatewayPools": [ref("/gatewayPools/" + POOL)],
        "gatewaySubnets": [ref("/virtualNetworks/%s/subnets/Gateway" % network(t))],
        "routingType": "Dynamic", "networkConnections": connections, "bgpRouters": [], "policyMaps": []}]


def tenant(t):
    return [*tenant_network(t), *tenant_gateway(t)]
