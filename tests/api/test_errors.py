# SPDX-License-Identifier: Apache-2.0
"""Bad input: each class is answered with a code and a target of the published interface, and nothing is stored."""

import json
import socket
import time

import pytest
from bodies import gateway, gre, provider, ref, tenant
from controller import Controller

VNET = {"addressSpace": {"addressPrefixes": ["192.168.0.0/16"]}, "logicalNetwork": ref("/logicalNetworks/HNVPA")}
SUBNET = "virtualNetworks/Contoso_VNet1/subnets/x"
NIC = "networkInterfaces/x"
CONNECTION = "virtualGateways/Contoso/networkConnections/x"


def nic(**properties):
    return {"properties": {"privateMacAddress": "001DA8000001", "ipConfigurations": [{"resourceId": "i", "properties": properties}]}}


def connection(**properties):
    return {"properties": {**gre(), **properties}}


WEB = ref("/virtualNetworks/Contoso_VNet1/subnets/WebTier_Subnet")

# name, path, body, status, code, target (a part of it)
CASES = [
    ("malformed JSON", "credentials/x", b'{"properties": {', 400, "InvalidRequestFormat", "body"),
    ("empty body", "credentials/x", b"", 400, "InvalidRequestFormat", "body"),
    ("not an object", "credentials/x", b"[]", 400, "InvalidRequestFormat", ""),
    ("a member twice", "credentials/x", b'{"properties":{},"properties":{}}', 400, "InvalidRequestFormat", "body"),
    ("properties of a wrong type", "credentials/x", {"properties": 7}, 400, "InvalidRequestFormat", "properties"),
    ("a list for a scalar", "credentials/x", {"properties": {"type": []}}, 400, "InvalidRequestFormat", "properties.type"),
    ("an object for a number", CONNECTION, connection(inboundKiloBitsPerSecond={}), 400, "InvalidRequestFormat",
     "properties.inboundKiloBitsPerSecond"),
    ("words for a number", CONNECTION, connection(inboundKiloBitsPerSecond="many"), 400, "InvalidParameterValue",
     "properties.inboundKiloBitsPerSecond"),
    ("an unknown word", CONNECTION, connection(connectionType="Carrier pigeon"), 400, "InvalidParameterValue",
     "properties.connectionType"),
    ("a number out of range", CONNECTION, connection(greConfiguration={"greKey": "4294967296"}), 400, "InvalidParameterValue",
     "properties.greConfiguration.greKey"),
    ("what is required is missing", CONNECTION, {"properties": {"connectionType": "GRE"}}, 400, "RequiredParamMissing",
     "properties.destinationIPAddress"),
    ("an invalid address", CONNECTION, connection(destinationIPAddress="10.0.0.256"), 400, "InvalidIPAddress",
     "properties.destinationIPAddress"),
    ("an invalid route", CONNECTION, connection(routes=[{"destinationPrefix": "10.0.0.0/33"}]), 400, "InvalidIPPrefix",
     "properties.routes[0].destinationPrefix"),
    ("an invalid prefix", SUBNET, {"properties": {"addressPrefix": "2221.1.1.0/24"}}, 400, "InvalidParameterValue", "SubnetAddress"),
    ("host bits in a prefix", SUBNET, {"properties": {"addressPrefix": "192.168.1.1/24"}}, 400, "InvalidParameterValue", "SubnetAddress"),
    ("overlapping virtual subnets", SUBNET, {"properties": {"addressPrefix": "192.168.0.128/25"}}, 400, "InvalidSubnet", "SubnetAddress"),
    ("outside the address space", SUBNET, {"properties": {"addressPrefix": "10.0.0.0/24"}}, 400, "InvalidSubnet", "SubnetAddress"),
    ("overlapping logical subnets", "logicalNetworks/HNVPA/subnets/x", {"properties": {"addressPrefix": "10.64.0.0/16"}}, 400,
     "InvalidSubnet", "SubnetAddress"),
    ("a pool outside its subnet", "logicalNetworks/HNVPA/subnets/s/ipPools/x",
     {"properties": {"startIpAddress": "10.64.0.250", "endIpAddress": "10.64.1.5"}}, 400, "InvalidParameterValue", "startIpAddress"),
    ("overlapping pools", "logicalNetworks/HNVPA/subnets/s/ipPools/x",
     {"properties": {"startIpAddress": "10.64.0.199", "endIpAddress": "10.64.0.210"}}, 400, "InvalidParameterValue", "startIpAddress"),
    ("a pool that ends before it starts", "logicalNetworks/HNVPA/subnets/s/ipPools/x",
     {"properties": {"startIpAddress": "10.64.0.30", "endIpAddress": "10.64.0.20"}}, 400, "InvalidParameterValue", "endIpAddress"),
    ("an unknown reference", NIC, nic(subnet=ref("/logicalNetworks/HNVPA/subnets/none")), 400, "InvalidResourceReference",
     "properties.subnet"),
    ("an unknown logical network", "virtualNetworks/x", {"properties": {**VNET, "logicalNetwork": ref("/logicalNetworks/none")}}, 400,
     "InvalidLogicalNetworkReference", "properties.logicalNetwork"),
    ("a reference to another kind", NIC, nic(subnet=ref("/macPools/m")), 400, "InvalidResourceReference", "subnet"),
    ("a reference that is text", NIC, nic(subnet="/macPools/m"), 400, "InvalidRequestFormat", "subnet"),
    ("a reference that is no path", NIC, nic(subnet=ref("/no/such/thing")), 400, "InvalidRequestFormat", "subnet"),
    ("an address outside its subnet", NIC, nic(subnet=WEB, privateIPAddress="192.168.1.5"), 400, "PrivateIPAddressNotInSubnet",
     "privateIPAddress"),
    ("the router's address", NIC, nic(subnet=WEB, privateIPAddress="192.168.0.1"), 400, "PrivateIPAddressInReservedRange",
     "privateIPAddress"),
    ("static without an address", NIC, nic(subnet=WEB, privateIPAllocationMethod="Static"), 400, "PrivateIPAddressMissing",
     "privateIPAddress"),
    ("an address in use", NIC, nic(subnet=ref("/logicalNetworks/HNVPA/subnets/s"), privateIPAddress="10.64.0.100"), 409,
     "PrivateIPAddressInUse", "privateIPAddress"),
    ("an invalid MAC", NIC, {"properties": {"privateMacAddress": "xyz"}}, 400, "InvalidPrivateMacAddress", "privateMacAddress"),
    ("a multicast MAC pool", "macPools/x", {"properties": {"startMacAddress": "01-00-00-00-00-00", "endMacAddress": "01-00-00-00-00-FF"}},
     400, "MacPoolContainsMulticastAddresses", "startMacAddress"),
    ("another resourceId than the URI's", "credentials/x", {"resourceId": "y", "properties": {}}, 400, "InvalidResourceName",
     "resourceId"),
    ("a child without a resourceId", "logicalNetworks/x", {"properties": {"subnets": [{"properties": {}}]}}, 400,
     "InvalidResourceName", "properties.subnets[0]"),
    ("an idle timeout out of range", "publicIPAddresses/x", {"properties": {"ipAddress": "12.0.0.1", "publicIPAllocationMethod": "Static",
                                                                           "idleTimeoutInMinutes": 31}},
     400, "PublicIPIdleTimeoutIsOutOfRange", "idleTimeoutInMinutes"),
    ("a dynamic address without VIP pools", "publicIPAddresses/x", {"properties": {}}, 400, "LbManagerResourceNotConfigured", "ipAddress"),
    ("a virtual gateway in a network that has one", "virtualGateways/x",
     {"properties": {"gatewayPools": [ref("/gatewayPools/default")], "gatewaySubnets": [WEB]}}, 409, "MultipleGatwaysUseSameVnet",
     "gatewaySubnets"),
    ("an interface of a gateway without its address", "gateways/x",
     {"properties": {"pool": ref("/gatewayPools/default"), "networkInterfaces": {
         "externalNetworkInterface": ref("/networkInterfaces/GW1_back")}}}, 400, "InvalidNetworkInterfaceReference",
     "externalNetworkInterface"),
    ("a child of nothing", "virtualGateways/none/networkConnections/x", connection(), 404, "NotFound", "virtualGateway"),
    ("an unknown type", "gatewayPuddles/x", {"properties": {}}, 404, "NotFound", "uri"),
    ("an unknown version", "/networking/v99/credentials/x", {"properties": {}}, 404, "NotFound", "uri"),
    ("a list as the target", "credentials", {"properties": {}}, 405, "OperationNotSupported", "method"),
]

DELETIONS = [
    ("logicalNetworks/HNVPA", "VnetInUse|ResourceInUse|InUseSubnetCannotBeDeleted"),
    ("logicalNetworks/HNVPA/subnets/s", "InUseSubnetCannotBeDeleted"),
    ("virtualServers/GW1", "InUseVirtualServerCannotBeDeleted"),
    ("networkInterfaces/GW1_front", "NicInUse"),
    ("gatewayPools/default", "ResourceInUse"),
    ("virtualNetworks/Contoso_VNet1", "InUseSubnetCannotBeDeleted"),
    ("virtualNetworks/Contoso_VNet1/subnets/WebTier_Subnet", "InUseSubnetCannotBeDeleted"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    c = Controller(tmp_path_factory.mktemp("errors"), maxBodySize=1 << 20, requestTimeoutMs=700, idleTimeoutMs=5000, maxConnections=20)
    provider(c)
    gateway(c)
    tenant(c)
    yield c
    assert c.stop() == 0, c.log


def everything(c):
    return [c.get(name).json["value"] for name in ("credentials", "logicalNetworks", "macPools", "publicIPAddresses", "virtualNetworks",
                                                   "networkInterfaces", "gatewayPools", "gateways", "virtualGateways")]


@pytest.mark.parametrize("name,path,body,status,code,target", CASES, ids=[c[0].replace(" ", "-") for c in CASES])
def test_bad_input_is_told_and_nothing_stored(world, name, path, body, status, code, target):
    before = everything(world)
    answer = world.put(path, body)
    assert (answer.status, answer.error["code"]) == (status, code), answer.raw
    assert target in answer.error["target"] and answer.error["message"]
    assert everything(world) == before


def test_json_errors_say_where_in_the_details(world):
    error = world.put("credentials/x", b'{"properties": {\n oops').error
    assert error["details"][0]["code"] == "InvalidJson" and "line 2" in error["message"]
    error = world.put(NIC, nic(subnet="/macPools/m")).error
    assert [d["code"] for d in error["details"]] == ["InvalidJsonReferenceWrongType"]


def test_every_error_of_a_body_is_told(world):
    error = world.put(CONNECTION, connection(destinationIPAddress="a", inboundKiloBitsPerSecond="b")).error
    assert sorted(d["target"] for d in error["details"]) == ["properties.destinationIPAddress", "properties.inboundKiloBitsPerSecond"]


@pytest.mark.parametrize("path,code", DELETIONS)
def test_what_is_in_use_is_not_deleted(world, path, code):
    answer = world.delete(path)
    assert answer.status == 409 and answer.error["code"] in code.split("|"), answer.raw
    assert world.get(path).status == 200


def test_a_body_of_10_mb_is_refused_with_an_error_body(world):
    before = everything(world)
    body = json.dumps({"properties": {"type": "usernamePassword", "value": "x" * (10 << 20)}}).encode()
    answer = world.put("credentials/x", body)
    assert answer.status == 413 and answer.error["code"] == "InvalidRequestFormat" and answer.error["target"] == "request"
    assert everything(world) == before


def test_a_body_just_over_the_limit_is_refused_with_an_error_body(world):
    answer = world.put("credentials/x", b" " * ((1 << 20) + 1))
    assert answer.status == 413 and answer.error["code"] == "InvalidRequestFormat"


def tls(world):
    return world.context().wrap_socket(socket.create_connection(("127.0.0.1", world.port)), server_hostname="127.0.0.1")


def drip(sock, first):
    """Sends a little, again and again, until the other end has had enough; returns what it said."""
    sock.settimeout(0.1)
    sock.sendall(first)
    said, end = b"", time.monotonic() + 10
    while time.monotonic() < end:
        try:
            data = sock.recv(65536)
            if not data:
                return said
            said += data
            if b"}}" in said:
                return said
        except TimeoutError:
            sock.sendall(b" ")
    raise AssertionError("the slow client is still served: %r" % said)


@pytest.mark.parametrize("first", [b"PUT /networking/v1/credentials/slow HTTP/1.1\r\nHost: x\r\nX-Slow: ",
                                   b"PUT /networking/v1/credentials/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"])
def test_a_slow_client_is_answered_with_an_error_body(world, first):
    with tls(world) as sock:
        said = drip(sock, first)
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["error"]["target"] == "request"
    assert world.get("credentials/slow").status == 404


def test_more_connections_than_the_limit_wait_and_are_served(world):
    idle = [tls(world) for _ in range(19)]
    assert world.get("credentials").status == 200
    extra = socket.create_connection(("127.0.0.1", world.port))  # the 20th; it stays silent
    late = socket.create_connection(("127.0.0.1", world.port))
    late.settimeout(10)
    for sock in idle:
        sock.close()
    with world.context().wrap_socket(late, server_hostname="127.0.0.1") as sock:
        sock.sendall(b"GET /networking/v1/credentials HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
    extra.close()
