// SPDX-License-Identifier: Apache-2.0
// What far ends are told, in their own languages; {names} are filled in by export_peer.c.
#include "export_peer.h"

static const char strongswan[] =
	"# swanctl.conf\n"
	"connections {\n  isthmus {\n    version = 2\n    local_addrs = {site}\n"
	"    remote_addrs = {vip}\n    proposals = {ike.cipher}-{ike.integrity}-{ike.group}\n"
	"    rekey_time = {ike.life}s\n    dpd_delay = 10s\n"
	"    local {\n      auth = psk\n      id = {site.id}\n    }\n"
	"    remote {\n      auth = psk\n      id = {vip.id}\n    }\n"
	"    children {\n      isthmus {\n        local_ts = {site.ts}\n        remote_ts = "
	"{vip.ts}\n"
	"        esp_proposals = {esp.cipher}{esp.integrity}{esp.pfs}\n"
	"        life_time = {esp.life}s\n        start_action = start\n"
	"        dpd_action = restart\n      }\n    }\n  }\n}\n"
	"secrets {\n  ike-isthmus {\n    id = {vip.id}\n    secret = \"{secret}\"\n  }\n}\n";

static const char libreswan[] =
	"# /etc/ipsec.d/isthmus.conf\n"
	"conn isthmus\n\tauto=start\n\tikev2=insist\n\tauthby=secret\n\tleft={site}\n"
	"\tleftid={site.id}\n\tleftsubnet={site.ts}\n\tright={vip}\n\trightid={vip.id}\n"
	"\trightsubnet={vip.ts}\n\tike={ike.cipher}-{ike.integrity};{ike.group}\n"
	"\tesp={esp.cipher}{esp.integrity}{esp.pfs}\n\tikelifetime={ike.life}s\n"
	"\tsalifetime={esp.life}s\n\n# /etc/ipsec.d/isthmus.secrets\n"
	"{site.id} {vip.id} : PSK \"{secret}\"\n";

static const char cisco_ios[] =
	"crypto ikev2 proposal ISTHMUS\n encryption {ike.cipher}\n integrity {ike.integrity}\n"
	" group {ike.group}\ncrypto ikev2 policy ISTHMUS\n proposal ISTHMUS\n"
	"crypto ikev2 keyring ISTHMUS\n peer ISTHMUS\n  address {vip}\n  pre-shared-key {secret}\n"
	"crypto ikev2 profile ISTHMUS\n match identity remote any\n identity local key-id "
	"{site.id}\n"
	" authentication remote pre-share\n authentication local pre-share\n keyring local "
	"ISTHMUS\n"
	" lifetime {ike.life}\ncrypto ipsec transform-set ISTHMUS {esp.cipher}{esp.integrity}\n"
	" mode tunnel\ncrypto ipsec profile ISTHMUS\n set transform-set ISTHMUS\n"
	" set ikev2-profile ISTHMUS\n set security-association lifetime seconds {esp.life}\n "
	"{esp.pfs}\n"
	"interface Tunnel0\n ip unnumbered GigabitEthernet0/0\n tunnel source {site}\n"
	" tunnel destination {vip}\n tunnel mode ipsec ipv4\n"
	" tunnel protection ipsec profile ISTHMUS\n! route {vip.ts} to Tunnel0\n";

static const char juniper[] =
	"set security ike proposal isthmus authentication-method pre-shared-keys\n"
	"set security ike proposal isthmus dh-group {ike.group}\n"
	"set security ike proposal isthmus authentication-algorithm {ike.integrity}\n"
	"set security ike proposal isthmus encryption-algorithm {ike.cipher}\n"
	"set security ike proposal isthmus lifetime-seconds {ike.life}\n"
	"set security ike policy isthmus proposals isthmus\n"
	"set security ike policy isthmus pre-shared-key ascii-text \"{secret}\"\n"
	"set security ike gateway isthmus ike-policy isthmus\n"
	"set security ike gateway isthmus address {vip}\n"
	"set security ike gateway isthmus version v2-only\n"
	"# the external interface is the one with {site}\n"
	"set security ike gateway isthmus external-interface ge-0/0/0\n"
	"# local-identity inet for an address, hostname for a name\n"
	"set security ike gateway isthmus local-identity hostname {site.id}\n"
	"set security ipsec proposal isthmus protocol esp\n"
	"set security ipsec proposal isthmus encryption-algorithm {esp.cipher}\n"
	"set security ipsec proposal isthmus {esp.integrity}\n"
	"set security ipsec proposal isthmus lifetime-seconds {esp.life}\n"
	"set security ipsec policy isthmus proposals isthmus\n{esp.pfs}\n"
	"set security ipsec vpn isthmus bind-interface st0.0\n"
	"set security ipsec vpn isthmus ike gateway isthmus\n"
	"set security ipsec vpn isthmus ike ipsec-policy isthmus\n"
	"set security ipsec vpn isthmus establish-tunnels immediately\n# route {vip.ts} to st0.0\n";

static const char fortios[] =
	"config vpn ipsec phase1-interface\n edit \"isthmus\"\n  set interface \"wan1\"\n"
	"  set local-gw {site}\n  set ike-version 2\n  set peertype any\n  set remote-gw {vip}\n"
	"  set localid \"{site.id}\"\n  set proposal {ike.cipher}-{ike.integrity}\n"
	"  set dhgrp {ike.group}\n  set keylife {ike.life}\n  set psksecret {secret}\n next\nend\n"
	"config vpn ipsec phase2-interface\n edit \"isthmus\"\n  set phase1name \"isthmus\"\n"
	"  set proposal {esp.cipher}{esp.integrity}\n  {esp.pfs}\n  set keylifeseconds {esp.life}\n"
	"  set src-subnet {site.ts}\n  set dst-subnet {vip.ts}\n  set auto-negotiate enable\n "
	"next\nend\n";

static const char vyos[] =
	"set vpn ipsec ike-group isthmus key-exchange ikev2\n"
	"set vpn ipsec ike-group isthmus lifetime {ike.life}\n"
	"set vpn ipsec ike-group isthmus proposal 1 encryption {ike.cipher}\n"
	"set vpn ipsec ike-group isthmus proposal 1 hash {ike.integrity}\n"
	"set vpn ipsec ike-group isthmus proposal 1 dh-group {ike.group}\n"
	"set vpn ipsec esp-group isthmus lifetime {esp.life}\n"
	"set vpn ipsec esp-group isthmus pfs {esp.pfs}\n"
	"set vpn ipsec esp-group isthmus proposal 1 encryption {esp.cipher}\n"
	"set vpn ipsec esp-group isthmus proposal 1 hash {esp.integrity}\n"
	"set vpn ipsec authentication psk isthmus id {site.id}\n"
	"set vpn ipsec authentication psk isthmus id {vip.id}\n"
	"set vpn ipsec authentication psk isthmus secret {secret}\n"
	"set vpn ipsec site-to-site peer isthmus local-address {site}\n"
	"set vpn ipsec site-to-site peer isthmus remote-address {vip}\n"
	"set vpn ipsec site-to-site peer isthmus authentication mode pre-shared-secret\n"
	"set vpn ipsec site-to-site peer isthmus authentication local-id {site.id}\n"
	"set vpn ipsec site-to-site peer isthmus authentication remote-id {vip.id}\n"
	"set vpn ipsec site-to-site peer isthmus connection-type initiate\n"
	"set vpn ipsec site-to-site peer isthmus ike-group isthmus\n"
	"set vpn ipsec site-to-site peer isthmus default-esp-group isthmus\n"
	"set vpn ipsec site-to-site peer isthmus tunnel 1 local prefix {site.ts}\n"
	"set vpn ipsec site-to-site peer isthmus tunnel 1 remote prefix {vip.ts}\n";

static const char mikrotik[] =
	"/ip ipsec profile add name=isthmus enc-algorithm={ike.cipher} "
	"hash-algorithm={ike.integrity} dh-group={ike.group} lifetime={ike.life}s\n"
	"/ip ipsec proposal add name=isthmus enc-algorithms={esp.cipher} "
	"auth-algorithms={esp.integrity} pfs-group={esp.pfs} lifetime={esp.life}s\n"
	"/ip ipsec peer add name=isthmus address={vip} local-address={site} profile=isthmus "
	"exchange-mode=ike2\n"
	"/ip ipsec identity add peer=isthmus auth-method=pre-shared-key secret=\"{secret}\" "
	"my-id=auto remote-id=auto comment=\"my-id is {site.id}, remote-id is {vip.id}\"\n"
	"/ip ipsec policy add peer=isthmus tunnel=yes src-address={site.ts} dst-address={vip.ts} "
	"proposal=isthmus\n";

static const char windows_rras[] =
	"# PowerShell; this side's address is {site}\n"
	"Add-VpnS2SInterface -Name Isthmus -Protocol IKEv2 -Destination {vip} `\n"
	"  -AuthenticationMethod PSKOnly -SharedSecret '{secret}' `\n"
	"  -IPv4Subnet @('{vip.ts}:100') -CustomPolicy `\n"
	"  -EncryptionMethod {ike.cipher} -IntegrityCheckMethod {ike.integrity} -DHGroup "
	"{ike.group} `\n"
	"  -CipherTransformConstants {esp.cipher} -AuthenticationTransformConstants "
	"{esp.integrity} `\n"
	"  -PfsGroup {esp.pfs} -SALifeTimeSeconds {esp.life} -MMSALifeTimeSeconds {ike.life} `\n"
	"  -SADataSizeForRenegotiationKilobytes {esp.life.kb} -Persistent\n";

static const char azure[] =
	"# Azure CLI; set GROUP and the name of the virtual network gateway (its address: {site})\n"
	"az network local-gateway create -g \"$GROUP\" -n isthmus --gateway-ip-address {vip} "
	"--local-address-prefixes {vip.ts}\n"
	"az network vpn-connection create -g \"$GROUP\" -n isthmus --vnet-gateway1 \"$GATEWAY\" "
	"--local-gateway2 isthmus --shared-key '{secret}'\n"
	"az network vpn-connection ipsec-policy add -g \"$GROUP\" --connection-name isthmus "
	"--ike-encryption {ike.cipher} --ike-integrity {ike.integrity} --dh-group {ike.group} "
	"--ipsec-encryption {esp.cipher} --ipsec-integrity {esp.integrity} --pfs-group {esp.pfs} "
	"--sa-lifetime {esp.life} --sa-max-size {esp.life.kb}\n";

const char *const peer_templates[PEER_PRODUCTS] = {
	strongswan, libreswan, cisco_ios, juniper, fortios, vyos, mikrotik, windows_rras, azure};
