/* Routed straight into the receiver's link, where the router would do no more than that. (from_port)
 *
 * Everything else (an address of the router, a hop limit that ends, a packet that is too large, a
 * destination elsewhere) goes to the router itself, which knows better.
 */
#ifndef PORTLIGHT_ROUTE_H
#define PORTLIGHT_ROUTE_H

#include "../maps.h"
#include "judge.h"
#include "packet.h"
#include "virtual_ip.h"

#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define SHORTCUT_BITS 32

/* How a packet travels that needs no router. */
struct way {
	__u32 ifindex;
	__u8 source_mac[6];
	__u8 destination_mac[6];
};

/* Not of one link, one host or several of them, and not an IPv4 address in the disguise of IPv6. */
static __always_inline bool is_routable(const __u8 *address, __u8 family)
{
	const __u32 *words = (const __u32 *)address;
	__u32 ipv4 = bpf_ntohl(mapped_ipv4(address));

	if (family == FAMILY_IPV6)
		return !(address[0] == 0xfe && (address[1] & 0xc0) == 0x80) && address[0] != 0xff &&
		       words[0] | words[1];
	return ipv4 >> 24 && ipv4 >> 24 != 127 && ipv4 >> 28 < 14;
}

/* Not what a router must look into: options, a scope that ends here, an end that is none. */
static __always_inline bool is_plain(const struct packet *packet)
{
	__u32 bytes = packet->family == FAMILY_IPV6 ? IPV6_BYTES : IPV4_BYTES;

	return packet->hop_limit > 1 && packet->upper == ETHERNET_BYTES + bytes &&
	       is_routable(packet->source, packet->family) &&
	       is_routable(packet->destination, packet->family);
}

static __always_inline struct shortcut *find_shortcut(const struct port_entry *port,
						      const struct packet *packet)
{
	struct forwarding_key at = { .network = port->network };
	struct shortcut_key key = { .prefixlen = SHORTCUT_BITS + 128 };
	struct shortcut *found;
	struct router_leg *leg;

	__builtin_memcpy(at.mac, packet->destination_mac, 6);
	leg = bpf_map_lookup_elem(&router_legs, &at);
	if (!leg)
		return NULL;
	key.table = leg->table;
	__builtin_memcpy(key.address, packet->destination, 16);
	found = bpf_map_lookup_elem(&routed, &key);
	return found && found->network ? found : NULL;
}

/* Who has the address now; false: nobody whom we know. */
static __always_inline bool find_station(__u32 network, const __u8 *address, struct way *way)
{
	struct virtual_ip_key key = { .network = network };
	struct virtual_ip_owner_locked *state;
	struct station *station;

	__builtin_memcpy(key.address, address, 16);
	state = bpf_map_lookup_elem(&vip_owners, &key);
	if (state) {
		way->ifindex = state->owner ? state->ifindex : 0;
		__builtin_memcpy(way->destination_mac, state->mac, 6);
		return way->ifindex && !is_no_mac(way->destination_mac);
	}
	station = bpf_map_lookup_elem(&stations, &key);
	if (!station)
		return false;
	way->ifindex = station->ifindex;
	__builtin_memcpy(way->destination_mac, station->mac, 6);
	return true;
}

/* The port at the end of the way; NULL when the packet must go to the router. */
static __always_inline struct port_entry *find_routed(struct __sk_buff *skb,
						      const struct port_entry *port,
						      const struct packet *packet, struct way *way)
{
	struct shortcut *shortcut = find_shortcut(port, packet);
	struct port_entry *receiver;
	const __u8 *address;
	__u32 bytes;

	if (!shortcut || !is_plain(packet))
		return NULL;
	address = is_no_address(shortcut->hop) ? packet->destination : shortcut->hop;
	if (!find_station(shortcut->network, address, way))
		return NULL;
	receiver = bpf_map_lookup_elem(&links, &way->ifindex);
	bytes = ip_bytes(skb, packet);
	if (!receiver || !(receiver->flags & PORT_PEER) || receiver->network != shortcut->network ||
	    !bytes || bytes > receiver->mtu)
		return NULL;
	__builtin_memcpy(way->source_mac, shortcut->router_mac, 6);
	return receiver;
}

/* One hop: other MACs, a hop limit that is one less. False: a helper failed. */
static __always_inline bool rewrite(struct __sk_buff *skb, struct packet *packet,
				    const struct way *way)
{
	__u8 hops = packet->hop_limit;
	__u32 at = packet->family == FAMILY_IPV4 ? ETHERNET_BYTES + 8 : ETHERNET_BYTES + 7;
	__u8 macs[12];

	/* The checksum counts the hop limit as the high byte of a word (RFC 1624). */
	if (packet->family == FAMILY_IPV4 &&
	    bpf_l3_csum_replace(skb, ETHERNET_BYTES + 10, bpf_htons(hops << 8),
				bpf_htons((hops - 1) << 8), 2))
		return false;
	hops--;
	__builtin_memcpy(macs, way->destination_mac, 6);
	__builtin_memcpy(macs + 6, way->source_mac, 6);
	if (bpf_skb_store_bytes(skb, at, &hops, 1, 0) ||
	    bpf_skb_store_bytes(skb, 0, macs, 12, 0))
		return false;
	packet->hop_limit = hops;
	__builtin_memcpy(packet->destination_mac, way->destination_mac, 6);
	__builtin_memcpy(packet->source_mac, way->source_mac, 6);
	return true;
}

#endif
