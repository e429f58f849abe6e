// SPDX-License-Identifier: Apache-2.0
#pragma once

// Every reason for which a packet ends here, with the words a person reads. One enum for the whole
// data plane; counters are per worker and per connection where one is known.
// Names appear as "drop.<name>" in counters and as the verdict in traces.

#define DROP_REASONS(X)                                                                            \
	X(NONE, "none", "not dropped")                                                             \
	X(ETH_NOT_OURS, "eth_not_ours", "destination MAC is not this port's")                      \
	X(ETH_UNKNOWN_TYPE, "eth_unknown_type", "EtherType nobody here handles")                   \
	X(ETH_SHORT, "eth_short", "frame shorter than its headers")                                \
	X(VLAN_UNKNOWN, "vlan_unknown", "no connection or address on this VLAN")                   \
	X(ARP_INVALID, "arp_invalid", "malformed ARP")                                             \
	X(ARP_NOT_OURS, "arp_not_ours", "ARP for an address not held here")                        \
	X(ARP_DONE, "arp_done", "ARP answered or learnt (not a fault)")                            \
	X(IP4_SHORT, "ip4_short", "IPv4 packet shorter than its header says")                      \
	X(IP4_BAD_HEADER, "ip4_bad_header", "IPv4 version or header length wrong")                 \
	X(IP4_BAD_CHECKSUM, "ip4_bad_checksum", "IPv4 header checksum wrong")                      \
	X(IP6_SHORT, "ip6_short", "IPv6 packet shorter than its header says")                      \
	X(IP6_BAD_HEADER, "ip6_bad_header", "IPv6 version or extension header wrong")              \
	X(MARTIAN_SOURCE, "martian_source", "source address that may not be forwarded")            \
	X(MARTIAN_DESTINATION, "martian_destination", "destination that may not be forwarded")     \
	X(TTL_EXPIRED, "ttl_expired", "TTL or hop limit ran out")                                  \
	X(NO_ROUTE, "no_route", "no route in the VRF")                                             \
	X(ROUTE_DROP, "route_drop", "route says drop")                                             \
	X(UNDERLAY_NOT_LOCAL, "underlay_not_local",                                                \
		"outer destination is not an address held here")                                   \
	X(UNDERLAY_PROTOCOL, "underlay_protocol", "outer protocol or port nobody here handles")    \
	X(UNDERLAY_FRAGMENT, "underlay_fragment", "outer fragment that could not be reassembled")  \
	X(UDP_BAD, "udp_bad", "UDP length or checksum wrong")                                      \
	X(VXLAN_BAD, "vxlan_bad", "VXLAN header malformed")                                        \
	X(VXLAN_UNKNOWN_VNI, "vxlan_unknown_vni", "VNI belongs to no tenant here")                 \
	X(VXLAN_UNKNOWN_VTEP, "vxlan_unknown_vtep", "outer source is no host of this tenant")      \
	X(VXLAN_WRONG_SLOT, "vxlan_wrong_slot", "VTEP address and inner MAC name different slots") \
	X(INNER_NOT_GATEWAY_MAC, "inner_not_gateway_mac", "inner MAC is not the tenant's gateway") \
	X(INNER_UNKNOWN_TYPE, "inner_unknown_type", "inner EtherType nobody here handles")         \
	X(SPOOFED_SOURCE, "spoofed_source", "inner source address not allowed from there")         \
	X(GRE_BAD, "gre_bad", "GRE header malformed, or with options not handled")                 \
	X(GRE_UNKNOWN_TUNNEL, "gre_unknown_tunnel",                                                \
		"no GRE connection with these addresses and key")                                  \
	X(GRE_UNKNOWN_PROTOCOL, "gre_unknown_protocol", "GRE payload that is not IP")              \
	X(CONN_DISABLED, "conn_disabled", "connection is administratively disabled")               \
	X(CONN_DOWN, "conn_down", "connection is down")                                            \
	X(CONN_CROSS_VRF, "conn_cross_vrf", "route and connection are of different tenants")       \
	X(SLOT_INACTIVE, "slot_inactive", "slot is not held here")                                 \
	X(POLICER_IN, "policer_in", "above the connection's inbound rate")                         \
	X(POLICER_OUT, "policer_out", "above the connection's outbound rate")                      \
	X(MTU_EXCEEDED, "mtu_exceeded", "larger than the path and DF set (ICMP error sent)")       \
	X(HOST_UNKNOWN, "host_unknown", "no virtual machine has this address")                     \
	X(NEIGHBOUR_UNRESOLVED, "neighbour_unresolved", "next hop did not answer yet")             \
	X(NEIGHBOUR_QUEUE_FULL, "neighbour_queue_full", "too many packets wait for a next hop")    \
	X(OVERLAY_TWICE, "overlay_twice", "came in over the tenant's overlay and may not go back") \
	X(PUNT_NO_TUN, "punt_no_tun", "for the gateway itself, but the VRF has no local service")  \
	X(PUNT_RATE, "punt_rate", "for the gateway itself, above the punt rate")                   \
	X(PUNT_QUEUE_FULL, "punt_queue_full", "punt queue full")                                   \
	X(ICMP_BAD, "icmp_bad", "ICMP malformed or checksum wrong")                                \
	X(ICMP_RATE, "icmp_rate", "ICMP error not sent: rate limit")                               \
	X(ICMP_DONE, "icmp_done", "ICMP consumed here (not a fault)")                              \
	X(ND_INVALID, "nd_invalid", "malformed neighbour discovery")                               \
	X(ND_DONE, "nd_done", "neighbour discovery answered or learnt (not a fault)")              \
	X(ND_NOT_OURS, "nd_not_ours", "neighbour discovery for an address not held here")          \
	X(KEEPALIVE_DONE, "keepalive_done", "GRE keepalive consumed (not a fault)")                \
	X(KEEPALIVE_BAD, "keepalive_bad", "GRE keepalive that matches no connection exactly")      \
	X(REASSEMBLY_FULL, "reassembly_full", "too many fragments wait")                           \
	X(REASSEMBLY_BAD, "reassembly_bad", "fragments overlap or do not fit")                     \
	X(REASSEMBLY_WAIT, "reassembly_wait", "fragment kept for reassembly (not a fault)")        \
	X(FRAGMENT_FAILED, "fragment_failed", "could not be fragmented")                           \
	X(NO_BUFFER, "no_buffer", "no packet buffer left")                                         \
	X(RELAY_TWICE, "relay_twice", "relayed packet may not be relayed again")                   \
	X(RELAY_STRANGER, "relay_stranger", "relayed by nobody on a link of ours")                 \
	X(TX_FULL, "tx_full", "transmit queue full")                                               \
	X(TX_PORT_DOWN, "tx_port_down", "port is down")                                            \
	X(HANDOFF_FULL, "handoff_full", "ring to the owning worker full")                          \
	X(ESP_SHORT, "esp_short", "ESP packet shorter than its fields")                            \
	X(ESP_UNKNOWN_SPI, "esp_unknown_spi", "no SA with this SPI")                               \
	X(ESP_WRONG_ADDRESS, "esp_wrong_address", "SA is for other outer addresses")               \
	X(ESP_REPLAY, "esp_replay", "sequence number seen before, or left of the window")          \
	X(ESP_INTEGRITY, "esp_integrity", "ICV does not match")                                    \
	X(ESP_MALFORMED, "esp_malformed", "padding or next header wrong after decryption")         \
	X(ESP_SELECTOR, "esp_selector", "outside the SA's traffic selectors")                      \
	X(ESP_DUMMY, "esp_dummy", "dummy packet (not a fault)")                                    \
	X(ESP_REQUIRED, "esp_required",                                                            \
		"in clear, or out of another tunnel's SA, for a connection that IPsec protects")   \
	X(ESP_KEEPALIVE, "esp_keepalive", "NAT keepalive (not a fault)")                           \
	X(ECN_INVALID, "ecn_invalid",                                                              \
		"outer header marked congestion on a packet that is not ECN-capable")              \
	X(ESP_NO_SA, "esp_no_sa", "connection has no outbound SA now")                             \
	X(ESP_SEQUENCE_END, "esp_sequence_end", "SA may send no more: sequence numbers")           \
	X(ESP_RESERVATION_END, "esp_reservation_end", "SA may send no more: reservation")          \
	X(ESP_COUNTER_END, "esp_counter_end", "SA may send no more: nonce counter")                \
	X(ESP_LIFETIME_END, "esp_lifetime_end", "SA may send no more: hard lifetime")              \
	X(FENCED, "fenced",                                                                        \
		"this gateway has not run for a while: first its epochs are to be confirmed")      \
	X(BFD_TTL, "bfd_ttl", "BFD for one hop that came over more (TTL below 255)")               \
	X(CAPTURE_ONLY, "capture_only", "copied to a capture (not a fault)")

enum drop_reason {
#define X(id, name, text) DROP_##id,
	DROP_REASONS(X)
#undef X
		DROP_COUNT,
};

const char *drop_name(enum drop_reason reason);
const char *drop_text(enum drop_reason reason);
