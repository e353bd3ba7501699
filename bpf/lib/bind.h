/* Step 2: may this port use this source? (from_port) */
#ifndef PORTLIGHT_BIND_H
#define PORTLIGHT_BIND_H

#include "../maps.h"
#include "packet.h"
#include "parse.h"
#include "scratch.h"

#define NEIGHBOUR_BYTES 24

/* What the port's bindings say about a MAC with an address: enum binding_kind, or 0. */
static __always_inline __u32 binding(const struct port_entry *port, const __u8 *mac, __u8 family,
				     const __u8 *address)
{
	struct scratch *scratch = find_scratch();
	struct binding_key *key;
	__u32 *kind;

	if (!scratch)
		return 0;
	key = &scratch->binding;
	key->prefixlen = BINDING_ADDRESS_BITS + 128;
	key->port = port->number;
	key->family = family;
	key->pad = 0;
	__builtin_memcpy(key->mac, mac, 6);
	__builtin_memcpy(key->address, address, 16);
	kind = bpf_map_lookup_elem(&bindings, key);
	if (kind)
		return *kind;
	return same_mac(mac, port->mac) ? BINDING_MAC : 0;
}

/* Whether any binding of the port has this address. */
static __always_inline bool holds(const struct port_entry *port, __u8 family, const __u8 *address)
{
	const __u8 no_mac[6] = {};

	return binding(port, no_mac, family | BINDING_ANY_MAC, address) == BINDING_HELD;
}

static __always_inline int bind_arp(const struct port_entry *port, const struct packet *packet)
{
	__u32 kind = binding(port, packet->source_mac, FAMILY_IPV4, packet->source);

	if (!kind || packet->source_mac[0] & 1)
		return DROP_SPOOFED_MAC;
	if (!same_mac(packet->sender_mac, packet->source_mac))
		return DROP_SPOOFED_ARP;
	if (kind != BINDING_ADDRESS && mapped_ipv4(packet->source))
		return DROP_SPOOFED_ARP;
	return CONTINUE;
}

/* The first option of a neighbour solicitation or advertisement must not name another MAC. */
static __always_inline int bind_neighbour_option(struct __sk_buff *skb,
						 const struct packet *packet)
{
	__u8 option[8];
	__u8 wanted = packet->icmp_type == ND_NEIGHBOUR_SOLICITATION ? 1 : 2;

	if (packet->upper_bytes == NEIGHBOUR_BYTES)
		return CONTINUE;
	if (packet->upper_bytes < NEIGHBOUR_BYTES + 8 ||
	    !load(skb, packet->upper + NEIGHBOUR_BYTES, option, sizeof(option)))
		return DROP_MALFORMED;
	if (!option[1] || NEIGHBOUR_BYTES + option[1] * 8 > packet->upper_bytes)
		return DROP_MALFORMED;
	if (option[0] == wanted && !same_mac(option + 2, packet->source_mac))
		return DROP_SPOOFED_ND;
	return CONTINUE;
}

static __noinline int bind_neighbour(struct __sk_buff *skb, const struct port_entry *port,
				     const struct packet *packet)
{
	__u8 target[16];

	if (packet->upper_bytes < NEIGHBOUR_BYTES ||
	    !load(skb, packet->upper + 8, target, sizeof(target)))
		return DROP_MALFORMED;
	if ((packet->icmp_type == ND_NEIGHBOUR_ADVERTISEMENT || is_no_address(packet->source)) &&
	    binding(port, packet->source_mac, FAMILY_IPV6, target) != BINDING_ADDRESS)
		return DROP_SPOOFED_ND;
	return bind_neighbour_option(skb, packet);
}

/* ND and MLD are judged here and by no group; ALLOW means so. */
static __always_inline int bind_ipv6_control(struct __sk_buff *skb, const struct port_entry *port,
					     const struct packet *packet, __u32 kind)
{
	int step;

	if (kind != BINDING_ADDRESS && (!is_no_address(packet->source) ||
					packet->icmp_type == ND_NEIGHBOUR_ADVERTISEMENT))
		return DROP_SPOOFED_IPV6;
	if (packet->icmp_type != ND_NEIGHBOUR_SOLICITATION &&
	    packet->icmp_type != ND_NEIGHBOUR_ADVERTISEMENT)
		return ALLOW;
	step = bind_neighbour(skb, port, packet);
	return step == CONTINUE ? ALLOW : step;
}

static __always_inline int bind_ipv4(const struct port_entry *port, const struct packet *packet,
				     __u32 kind)
{
	bool is_dhcp = is_udp(packet, FAMILY_IPV4, 68, 67);

	if (kind == BINDING_ADDRESS)
		return is_dhcp ? ALLOW : CONTINUE;
	if (is_dhcp && !mapped_ipv4(packet->source) && mapped_ipv4(packet->destination) == ~0U)
		return ALLOW;
	return port->flags & PORT_CHECKED ? DROP_SPOOFED_IPV4 : CONTINUE;
}

static __always_inline int bind_ipv6(struct __sk_buff *skb, const struct port_entry *port,
				     const struct packet *packet, __u32 kind)
{
	if (is_neighbour_discovery(packet) || is_mld(packet))
		return bind_ipv6_control(skb, port, packet, kind);
	if (kind != BINDING_ADDRESS)
		return port->flags & PORT_CHECKED ? DROP_SPOOFED_IPV6 : CONTINUE;
	return is_udp(packet, FAMILY_IPV6, 546, 547) ? ALLOW : CONTINUE;
}

/* What only a service of the network may send. */
static __always_inline int rogue(const struct packet *packet)
{
	if (is_udp(packet, FAMILY_IPV4, 67, 68) || is_udp(packet, FAMILY_IPV6, 547, 546))
		return DROP_ROGUE_DHCP_SERVER;
	if (is_icmpv6(packet) && (packet->icmp_type == ND_ROUTER_ADVERTISEMENT ||
				  packet->icmp_type == ND_REDIRECT))
		return DROP_ROGUE_ROUTER_ADVERTISEMENT;
	return CONTINUE;
}

static __always_inline int bind_ip(struct __sk_buff *skb, const struct port_entry *port,
				   const struct packet *packet)
{
	__u32 kind = binding(port, packet->source_mac, packet->family, packet->source);
	int step;

	if (!kind || packet->source_mac[0] & 1)
		return DROP_SPOOFED_MAC;
	step = rogue(packet);
	if (step != CONTINUE)
		return step;
	return packet->family == FAMILY_IPV4 ? bind_ipv4(port, packet, kind) :
					       bind_ipv6(skb, port, packet, kind);
}

#endif
