/* Step 3: packets by which a member says that it holds a virtual IP. (from_port) */
#ifndef PORTLIGHT_ANNOUNCE_H
#define PORTLIGHT_ANNOUNCE_H

#include "packet.h"
#include "parse.h"
#include "virtual_ip.h"

#define MAX_VRRP_ADDRESSES 20
#define VRRP_HEADER_BYTES 8
#define NA_SOLICITED 0x40

/* Too large for the stack of the longest chain of calls; nothing of it survives a frame. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct claim);
} claim_scratch SEC(".maps");

static __always_inline struct claim *begin_claim(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&claim_scratch, &zero);
}

static __always_inline void claim_of(struct claim *claim, struct __sk_buff *skb,
				     const struct port_entry *port, const struct packet *packet,
				     __u8 kind)
{
	claim->kind = kind;
	claim->priority = 0;
	claim->network = port->network;
	claim->port = port->number;
	claim->ifindex = skb->ifindex;
	__builtin_memcpy(claim->mac, packet->source_mac, 6);
	__builtin_memcpy(claim->port_mac, port->mac, 6);
}

__attribute__((noinline)) int announce_arp(struct __sk_buff *skb, struct port_entry *port,
					struct packet *packet)
{
	struct claim *claim = begin_claim();

	if (!port || !packet || !claim)
		return DROP_INTERNAL_ERROR;
	claim_of(claim, skb, port, packet, CLAIM_BY_ARP);
	/* A former owner answers the new one's gratuitous request with sender = target, too: to it. */
	claim->is_announcement = (packet->destination_mac[0] & 1) &&
				 mapped_ipv4(packet->source) == mapped_ipv4(packet->destination);
	__builtin_memcpy(claim->address, packet->source, 16);
	return judge_claim(claim);
}

__attribute__((noinline)) int announce_neighbour(struct __sk_buff *skb, struct port_entry *port,
					      struct packet *packet)
{
	struct claim *claim = begin_claim();
	__u8 flags;

	if (!port || !packet || !claim)
		return DROP_INTERNAL_ERROR;
	claim_of(claim, skb, port, packet, CLAIM_BY_NEIGHBOUR);
	if (!load(skb, packet->upper + 4, &flags, 1) ||
	    !load(skb, packet->upper + 8, claim->address, 16))
		return DROP_MALFORMED;
	claim->is_announcement = !(flags & NA_SOLICITED);
	return judge_claim(claim);
}

static __always_inline bool load_vrrp_address(struct __sk_buff *skb, const struct packet *packet,
					      __u32 index, __u8 *address)
{
	__u32 at = packet->upper + VRRP_HEADER_BYTES;
	__u32 ip;

	if (packet->family == FAMILY_IPV6)
		return load(skb, at + index * 16, address, 16);
	if (!load(skb, at + index * 4, &ip, sizeof(ip)))
		return false;
	map_ipv4(address, ip);
	return true;
}

/* VRRP version 2 (IPv4) and 3, advertisements with a priority. A refused one goes on. */
__attribute__((noinline)) int announce_vrrp(struct __sk_buff *skb, struct port_entry *port,
					    struct packet *packet)
{
	struct claim *claim = begin_claim();
	__u8 head[4]; /* version and type, virtual router id, priority, count */
	__u32 size;

	if (!port || !packet || !claim)
		return ALLOW;
	if (packet->upper_bytes < VRRP_HEADER_BYTES ||
	    !load(skb, packet->upper, head, sizeof(head)))
		return ALLOW;
	size = packet->family == FAMILY_IPV4 ? 4 : 16;
	if ((head[0] != 0x31 && (head[0] != 0x21 || packet->family != FAMILY_IPV4)) || !head[2] ||
	    head[3] > MAX_VRRP_ADDRESSES || VRRP_HEADER_BYTES + head[3] * size > packet->upper_bytes)
		return ALLOW;
	for (__u32 i = 0; i < MAX_VRRP_ADDRESSES; i++) {
		if (i >= head[3])
			break;
		claim_of(claim, skb, port, packet, CLAIM_BY_VRRP);
		claim->is_announcement = true;
		claim->priority = head[2];
		if (load_vrrp_address(skb, packet, i, claim->address))
			judge_claim(claim);
	}
	return ALLOW;
}

#endif
