# SPDX-License-Identifier: Apache-2.0
"""What a deployment begins with: provider networks, a pool, a gateway, a tenant's network."""


def ref(path):
    return {"resourceRef": path}


def provider(c):
    c.must_put("logicalNetworks/HNVPA", {"networkVirtualizationEnabled": "True", "subnets": [
        {"resourceId": "s", "properties": {"addressPrefix": "10.64.0.0/24", "vlanId": "0", "defaultGateways": ["10.64.0.1"],
                                           "ipPools": [{"resourceId": "p", "properties": {
                                               "startIpAddress": "10.64.0.100", "endIpAddress": "10.64.0.199"}}]}}]})
    c.must_put("logicalNetworks/GreVIP", {"subnets": [
        {"resourceId": "s", "properties": {"addressPrefix": "10.65.0.0/24", "defaultGateways": ["10.65.0.1"],
                                           "ipPools": [{"resourceId": "p", "properties": {
                                               "startIpAddress": "10.65.0.2", "endIpAddress": "10.65.0.254"}}]}}]})
    c.must_put("macPools/m", {"startMacAddress": "00-1D-A8-B7-1C-00", "endMacAddress": "00-1D-A8-B7-1F-FF"})


def gateway(c, name="GW1", pool="default"):
    if c.get("gatewayPools/" + pool).status == 404:
        c.must_put("gatewayPools/" + pool, {"type": "All", "redundantGatewayCount": "0", "ipConfiguration": {
            "greVipSubnets": [ref("/logicalNetworks/GreVIP/subnets/s")], "publicIPAddresses": []}})
    c.must_put("virtualServers/" + name, {"connections": [{"managementAddresses": [name]}], "vmGuid": "g"}, markServerReadOnly=False)
    c.must_put("networkInterfaces/%s_back" % name, {"privateMacAllocationMethod": "Dynamic"})
    c.must_put("networkInterfaces/%s_front" % name, {"privateMacAllocationMethod": "Dynamic", "ipConfigurations": [
        {"resourceId": "f", "properties": {"subnet": ref("/logicalNetworks/HNVPA/subnets/s"), "privateIPAllocationMethod": "Dynamic"}}]})
    return c.must_put("gateways/" + name, {
        "pool": ref("/gatewayPools/" + pool), "virtualServer": ref("/virtualServers/" + name),
        "networkInterfaces": {"externalNetworkInterface": ref("/networkInterfaces/%s_front" % name),
                              "internalNetworkInterface": ref("/networkInterfaces/%s_back" % name)}})


def tenant(c, name="Contoso", pool="default"):
    c.must_put("virtualNetworks/%s_VNet1" % name, {
        "addressSpace": {"addressPrefixes": ["192.168.0.0/16"]}, "logicalNetwork": ref("/logicalNetworks/HNVPA"),
        "subnets": [{"resourceId": "WebTier_Subnet", "properties": {"addressPrefix": "192.168.0.0/24"}}]})
    return c.must_put("virtualGateways/" + name, {
        "gatewayPools": [ref("/gatewayPools/" + pool)],
        "gatewaySubnets": [ref("/virtualNetworks/%s_VNet1/subnets/WebTier_Subnet" % name)], "routingType": "Dynamic"})


def gre(key="1234", remote="10.127.134.122", routes=("14.1.20.1/32",)):
    return {"connectionType": "GRE", "outboundKiloBitsPerSecond": 1000, "inboundKiloBitsPerSecond": 1000,
            "greConfiguration": {"greKey": key}, "destinationIPAddress": remote,
            "routes": [{"destinationPrefix": r, "metric": 10} for r in routes]}
