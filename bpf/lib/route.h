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

/* Not what a router must look into: options, a scope that ends here, a source that is none. */
static __always_inline bool is_plain(const struct packet *packet)
{
	__u32 source = bpf_ntohl(mapped_ipv4(packet->source));

	if (packet->hop_limit <= 1)
		return false;
	if (packet->family == FAMILY_IPV6)
		return packet->upper == ETHERNET_BYTES + IPV6_BYTES &&
		       !(packet->source[0] == 0xfe && (packet->source[1] & 0xc0) == 0x80) &&
		       packet->source[0] != 0xff && !is_no_address(packet->source);
	return packet->upper == ETHERNET_BYTES + IPV4_BYTES && source >> 24 && source >> 24 != 127 &&
	       source >> 28 < 14;
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
	found = bpf_map_lookup_elem(&shortcuts, &key);
	return found && found->network ? found : NULL;
}

/* Who has the address now; false: nobody whom we know. */
static __always_inline bool find_station(__u32 network, const struct packet *packet,
					 struct way *way)
{
	struct virtual_ip_key key = { .network = network };
	struct virtual_ip_owner_locked *state;
	struct station *station;

	__builtin_memcpy(key.address, packet->destination, 16);
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
	__u32 bytes;

	if (!shortcut || !is_plain(packet) || !find_station(shortcut->network, packet, way))
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
