# SPDX-License-Identifier: Apache-2.0
"""What real clients of the published interface send, in their order and spelling, and how they read what they get.

The bodies are those of a raw-REST deployment script: capitals, numbers as texts, read-only members and nulls included.
"""

import copy
import json

import pytest

HEADERS = {"Accept": "application/json", "Content-Type": "application/json; charset=UTF-8", "Connection": "close"}
PIP = "00000000-5555-0000-0001-000000000000"
EXT, INT = "00000000-3333-0000-1111-000000000001", "00000000-3333-0000-0000-000000000001"


def network(name, prefix, vlan="0", virtual="False", subnet=None):
    return {"resourceId": name, "properties": {"networkVirtualizationEnabled": virtual, "subnets": [
        {"resourceId": subnet or prefix.replace("/", "_"), "properties": {
            "addressPrefix": prefix, "vlanID": vlan, "defaultGateways": [prefix.rsplit(".", 1)[0] + ".1"], "dnsServers": [],
            "isPublic": "false", "ipPools": []}}]}}


def pool(prefix, first, last):
    base = prefix.rsplit(".", 1)[0]
    return {"resourceId": "6a1c", "properties": {"startIpAddress": "%s.%d" % (base, first), "endIpAddress": "%s.%d" % (base, last)}}


FABRIC = [
    ("/Networking/v1/Credentials/host", {"resourceId": "host", "properties": {
        "type": "usernamePassword", "userName": "CONTOSO\\svc", "value": "secret"}}),
    ("/Networking/v1/Credentials/nc", {"resourceId": "nc", "properties": {"Type": "X509Certificate", "value": "AABBCC"}}),
    ("/Networking/v1/logicalnetworks/HNVPA", network("HNVPA", "10.10.56.0/24", "11", "True")),
    ("/Networking/v1/logicalnetworks/HNVPA/subnets/10.10.56.0_24/ippools/6a1c", pool("10.10.56.0/24", 10, 200)),
    ("/Networking/v1/logicalnetworks/PublicVIP", network("PublicVIP", "40.40.40.0/24")),
    ("/Networking/v1/logicalnetworks/PublicVIP/subnets/40.40.40.0_24/ippools/6a1c", pool("40.40.40.0/24", 1, 200)),
    ("/Networking/v1/logicalnetworks/GreVIP", network("GreVIP", "31.30.30.0/24")),
    ("/Networking/v1/logicalnetworks/GreVIP/subnets/31.30.30.0_24/ippools/6a1c", pool("31.30.30.0/24", 2, 254)),
    ("/Networking/v1/loadbalancermanager/config", {"resourceId": "config", "properties": {
        "loadBalancerManagerIPAddress": "40.40.40.200", "outboundNatIPExemptions": ["40.40.40.200/32"],
        "vipIpPools": [{"resourceRef": "/logicalnetworks/PublicVIP/subnets/40.40.40.0_24/ippools/6a1c"}]}}),
    ("/Networking/v1/publicIPAddresses/" + PIP, {"resourceId": PIP, "properties": {
        "ipAddress": "40.40.40.5", "publicIPAllocationMethod": "Static"}}),
    ("/Networking/v1/MacPools/macs", {"resourceId": "macs", "properties": {
        "startMacAddress": "00-1D-A8-B7-1C-00", "endMacAddress": "00-1D-A8-F4-1F-FF"}}),
    ("/Networking/v1/GatewayPools/default", {"resourceId": "default", "properties": {
        "type": "All", "ipConfiguration": {
            "greVipSubnets": [{"resourceRef": "/logicalNetworks/GreVIP/subnets/31.30.30.0_24"}],
            "publicIPAddresses": [{"resourceRef": "/publicIPAddresses/" + PIP}]},
        "redundantGatewayCount": "1", "gatewayCapacityKiloBitsPerSecond": "10000"}}),
    ("/Networking/v1/VirtualServers/GW01", {"resourceId": "GW01", "instanceId": "c7d7ddd1-0000-0000-0000-000000000000", "properties": {
        "connections": [{"managementAddresses": ["gw01.contoso.com"], "credential": {"resourceRef": "/credentials/host"},
                         "credentialType": "usernamePassword"}], "vmGuid": "FE49D841-B5DC-4638-869D-509289BA0001"}}),
    ("/Networking/v1/NetworkInterfaces/" + INT, {"resourceId": INT, "properties": {
        "ipConfigurations": [None], "privateMacAddress": "001DC55D0101", "privateMacAllocationMethod": "Static"}}),
    ("/Networking/v1/NetworkInterfaces/" + EXT, {"resourceId": EXT, "properties": {
        "ipConfigurations": [{"resourceId": "e", "properties": {
            "privateIPAddress": "10.10.56.20", "privateIPAllocationMethod": "Static",
            "subnet": {"resourceRef": "/logicalnetworks/HNVPA/subnets/10.10.56.0_24"}}}],
        "privateMacAddress": "001DC55D0102", "privateMacAllocationMethod": "Static"}}),
    ("/Networking/v1/Gateways/GW01", {"resourceID": "GW01", "properties": {
        "pool": {"resourceRef": "/GatewayPools/default"}, "type": "All",
        "bgpConfig": {"extAsNumber": "0.64628", "bgpPeer": [{"peerIP": "10.10.0.1", "peerExtAsNumber": "0.64601"}]},
        "virtualserver": {"resourceRef": "/virtualServers/GW01"},
        "networkInterfaces": {"externalNetworkInterface": {"resourceRef": "/networkInterfaces/" + EXT},
                              "internalNetworkInterface": {"resourceRef": "/networkInterfaces/" + INT}}}}),
    ("/Networking/v1/logicalnetworks/Contoso_L3_Network", network("Contoso_L3_Network", "10.127.134.0/25", "1001", subnet="L3_Subnet1")),
    ("/Networking/v1/VirtualNetworks/Contoso_VNet1", {"resourceId": "Contoso_VNet1", "properties": {
        "addressSpace": {"addressPrefixes": ["192.168.0.0/16"]}, "logicalNetwork": {"resourceRef": "/logicalnetworks/HNVPA"},
        "subnets": [{"resourceId": "WebTier_Subnet", "properties": {"addressPrefix": "192.168.0.0/24"}}]}}),
]

TENANT = json.loads("""
{"resourceID":"Contoso","properties":{
 "gatewayPools":[{"resourceRef":"/gatewayPools/default"}],
 "gatewaySubnets":[{"resourceRef":"/virtualNetworks/Contoso_VNet1/subnets/WebTier_Subnet"}],
 "vpnClientAddressSpace":null,"routingType":"Dynamic",
 "networkConnections":[
  {"resourceId":"IPSecGW","properties":{"connectionType":"IPSec","outboundKiloBitsPerSecond":100000,"inboundKiloBitsPerSecond":100000,
   "routes":[{"destinationPrefix":"14.1.10.1/32","metric":10}],
   "ipSecConfiguration":{"authenticationMethod":"PSK","sharedSecret":"111_aaa",
    "QuickMode":{"perfectForwardSecrecy":"PFS2048","authenticationTransformationConstant":"SHA256128","cipherTransformationConstant":"DES3",
     "saLifeTimeSeconds":1233,"idleDisconnectSeconds":500,"saLifeTimeKiloBytes":2000},
    "MainMode":{"diffieHellmanGroup":"Group2","integrityAlgorithm":"SHA256","encryptionAlgorithm":"AES256","saLifeTimeSeconds":1234,
     "saLifeTimeKiloBytes":2000}},
   "ipAddresses":[],"peerIPAddresses":[],"destinationIPAddress":"10.127.134.121"}},
  {"resourceId":"GreGW","properties":{"connectionType":"GRE","outboundKiloBitsPerSecond":100000,"inboundKiloBitsPerSecond":100000,
   "greConfiguration":{"GreKey":"1234"},"ipAddresses":[],"peerIPAddresses":[],
   "routes":[{"destinationPrefix":"14.1.20.1/32","metric":10}],"destinationIPAddress":"10.127.134.122"}},
  {"resourceId":"L3GW","properties":{"connectionType":"L3","outboundKiloBitsPerSecond":"100000","inboundKiloBitsPerSecond":100000,
   "l3Configuration":{"vlanSubnet":{"resourceRef":"/logicalNetworks/Contoso_L3_Network/subnets/L3_Subnet1"}},
   "ipAddresses":[{"ipAddress":"10.127.134.55","prefixLength":25}],"peerIPAddresses":["10.127.134.65"],
   "routes":[{"destinationPrefix":"14.1.30.1/32","metric":10}]}}],
 "bgpRouters":[{"resourceId":"Contoso_Vnet_Router1","properties":{"isEnabled":"true","requireIGPSync":"true","extAsNumber":"0.64510",
   "routerIP":[],"bgpNetworks":[],"isGenerated":false,
   "bgpPeers":[
    {"resourceId":"Contoso_SiteA_IPSec","properties":{"peerIPAddress":"14.1.10.1","peerAsNumber":"64521","ExtAsNumber":"0.64521",
     "policyMapIn":null,"policyMapOut":null}},
    {"resourceId":"Contoso_SiteB_Gre","properties":{"peerIPAddress":"14.1.20.1","peerAsNumber":"64522","ExtAsNumber":"0.64522",
     "policyMapIn":null,"policyMapOut":null}}]}}],
 "policyMaps":[]}}
""")


@pytest.fixture
def deployed(controller):
    for path, body in FABRIC + [("/Networking/v1/VirtualGateways/Contoso", TENANT)]:
        before = controller.get(path, headers=HEADERS)
        assert before.status == 404, path
        answer = controller.put(path, body, headers=HEADERS)
        assert answer.status == 201, (path, answer.raw)
        after = controller.get(path, headers=HEADERS)
        assert after.status == 200 and after.properties["provisioningState"] in ("Succeeded", "Updating")
    return controller


def test_a_raw_rest_deployment_and_its_tenant(deployed):
    c = deployed
    gateway = c.get("gateways/GW01").properties
    assert gateway["pool"] == {"resourceRef": "/GatewayPools/default"}
    assert gateway["bgpConfig"] == {"extASNumber": "0.64628", "bgpPeer": [{"peerIP": "10.10.0.1", "peerExtAsNumber": "0.64601"}]}
    pool_shown = c.get("gatewayPools/DEFAULT").properties
    assert pool_shown["redundantGatewayCount"] == 1 and pool_shown["gatewayCapacityKiloBitsPerSecond"] == 10000
    assert pool_shown["gateways"][0]["resourceRef"].split("/")[2] == "GW01"
    tenant = c.get("VirtualGateways/contoso").properties
    by_name = {r["resourceId"]: r["properties"] for r in tenant["networkConnections"]}
    ipsec = by_name["IPSecGW"]["ipSecConfiguration"]
    assert "sharedSecret" not in ipsec and ipsec["quickMode"]["perfectForwardSecrecy"] == "PFS2048"
    assert ipsec["mainMode"]["saLifeTimeSeconds"] == 1234
    assert by_name["L3GW"]["l3Configuration"]["vlanSubnet"]["resourceRef"] == "/logicalNetworks/Contoso_L3_Network/subnets/L3_Subnet1"
    router = tenant["bgpRouters"][0]
    assert router["properties"]["requireIgpSync"] is True
    assert [p["properties"]["asNumber"] for p in router["properties"]["bgpPeers"]] == ["64521", "64522"]


def test_every_resource_read_and_put_back_changes_nothing(deployed):
    """Clients GET, change and PUT whole objects; without a change nothing may change, etag included."""
    for path, _ in FABRIC + [("/Networking/v1/VirtualGateways/Contoso", None)]:
        before = deployed.get(path).json
        answer = deployed.put(path, before)
        assert answer.status == 200, (path, answer.raw)
        assert deployed.get(path).json == before, path


def test_the_deployment_again_is_all_200(deployed):
    for path, body in FABRIC + [("/Networking/v1/VirtualGateways/Contoso", TENANT)]:
        if path.endswith("6a1c") or "ogical" in path:
            continue  # a network's subnets say "ipPools": [] there, and their pools are in use by now
        assert deployed.put(path, body, headers=HEADERS).status == 200, path


def test_defaults_of_ipsec_are_those_observed(deployed):
    path = "virtualGateways/Contoso/networkConnections/d"
    shown = deployed.must_put(path, {"connectionType": "IPSec", "destinationIPAddress": "11.1.0.1",
                                     "ipSecConfiguration": {"sharedSecret": "x"}}).properties
    assert shown["ipSecConfiguration"] == {
        "authenticationMethod": "PSK",
        "quickMode": {"perfectForwardSecrecy": "None", "cipherTransformationConstant": "AES128",
                      "authenticationTransformationConstant": "SHA196", "idleDisconnectSeconds": 500, "saLifeTimeSeconds": 3600,
                      "saLifeTimeKiloBytes": 33552408},
        "mainMode": {"diffieHellmanGroup": "Group2", "integrityAlgorithm": "SHA1", "encryptionAlgorithm": "DES3",
                     "saLifeTimeSeconds": 28800, "saLifeTimeKiloBytes": 33552408},
        "localVpnTrafficSelector": [], "remoteVpnTrafficSelector": []}
    assert shown["connectionStatus"] == "Enabled" and shown["l3Configuration"] == {}


def test_newer_versions_reach_the_same_resources(deployed):
    for version in ("V5", "v4.2", "V7.1"):
        assert deployed.get("/networking/%s/virtualgateways/contoso" % version).status == 200


def test_learnt_routes_sent_back_are_not_made_static(deployed):
    path = "virtualGateways/Contoso/networkConnections/GreGW"
    body = deployed.get(path).json
    body["properties"]["routes"].append({"destinationPrefix": "50.1.1.0/24", "nextHop": "14.1.20.1", "metric": 0, "protocol": "BGP"})
    routes = deployed.put(path, body).properties["routes"]
    assert [r["destinationPrefix"] for r in routes] == ["14.1.20.1/32"]


def test_generated_routers_sent_back_are_not_stored(deployed):
    body = deployed.get("virtualGateways/Contoso").json
    generated = copy.deepcopy(body["properties"]["bgpRouters"][0])
    generated["resourceId"] = "BGP_Contoso_1"
    generated["properties"]["isGenerated"] = True
    body["properties"]["bgpRouters"].append(generated)
    assert deployed.put("virtualGateways/Contoso", body).status == 200
    routers = deployed.get("virtualGateways/Contoso/bgpRouters").json["value"]
    assert [r["resourceId"] for r in routers] == ["Contoso_Vnet_Router1"]


def test_the_same_request_id_gets_the_same_answer_and_acts_once(deployed):
    headers = {"x-ms-client-request-id": "11111111-2222-3333-4444-555555555555"}
    body = {"properties": {"type": "usernamePassword", "userName": "a", "value": "b"}}
    first = deployed.put("credentials/once", body, headers=headers)
    deployed.delete("credentials/once")
    again = deployed.put("credentials/once", body, headers=headers)
    assert (again.status, again.json) == (first.status, first.json) == (201, first.json)
    assert again.headers["x-ms-request-id"] == first.headers["x-ms-request-id"]
    assert again.headers["x-ms-client-request-id"] == headers["x-ms-client-request-id"]
    assert deployed.get("credentials/once").status == 404
