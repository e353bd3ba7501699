/* Step 1: read the frame into a struct packet, with every check of a length.
 *
 * Bytes are copied by bpf_skb_load_bytes: it also reads what is not in the linear part, and never
 * makes the kernel copy a shared super-packet as bpf_skb_pull_data would.
 */
#ifndef PORTLIGHT_PARSE_H
#define PORTLIGHT_PARSE_H

#include "packet.h"
#include "wire.h"

#define MAX_EXTENSIONS 8
#define NEXT_HOP_BY_HOP 0
#define NEXT_ROUTING 43
#define NEXT_FRAGMENT 44
#define NEXT_DESTINATION 60

/* Two bytes in front align the network header on the stack. */
struct frame_head {
	__be16 pad;
	struct ethernet ethernet;
	union {
		struct ipv4 ipv4;
		struct ipv6 ipv6;
		struct arp arp;
	};
};

static __always_inline int parse_arp(struct packet *packet, const struct arp *arp)
{
	__u32 ip;

	if (arp->hardware != bpf_htons(1) || arp->protocol != bpf_htons(ETHERTYPE_IPV4) ||
	    arp->hardware_bytes != 6 || arp->protocol_bytes != 4)
		return DROP_MALFORMED;
	packet->family = FAMILY_ARP;
	__builtin_memcpy(packet->sender_mac, arp->sender_mac, 6);
	__builtin_memcpy(&ip, arp->sender_ip, 4);
	map_ipv4(packet->source, ip);
	__builtin_memcpy(&ip, arp->target_ip, 4);
	map_ipv4(packet->destination, ip);
	return CONTINUE;
}

/* `units` of 8 bytes from the start of the original payload; `bytes` in this fragment. */
static __always_inline int parse_fragment(struct packet *packet, __u32 units, bool more,
					  __u32 bytes)
{
	if (!units && !more)
		return CONTINUE;
	packet->fragment = units ? FRAGMENT_LATER : FRAGMENT_FIRST;
	packet->fragment_protocol = packet->protocol;
	if (more && (bytes & 7))
		return DROP_MALFORMED;
	if (units * 8 + bytes > 65535)
		return DROP_MALFORMED;
	/* RFC 1858: a later fragment must not lie over the TCP header. */
	if (units && units * 8 < 20 && packet->protocol == PROTOCOL_TCP)
		return DROP_MALFORMED;
	return CONTINUE;
}

static __always_inline int parse_ipv4(struct packet *packet, const struct ipv4 *ip)
{
	__u32 header_bytes = (ip->version_length & 15) * 4;
	__u32 total_bytes = bpf_ntohs(ip->total_bytes);
	__u32 fragment = bpf_ntohs(ip->fragment);

	if (ip->version_length >> 4 != 4 || header_bytes < 20 || total_bytes < header_bytes ||
	    total_bytes > packet->length - ETHERNET_BYTES)
		return DROP_MALFORMED;
	packet->family = FAMILY_IPV4;
	packet->protocol = ip->protocol;
	packet->hop_limit = ip->ttl;
	packet->identification = ip->identification;
	map_ipv4(packet->source, ip->source);
	map_ipv4(packet->destination, ip->destination);
	packet->upper = ETHERNET_BYTES + header_bytes;
	packet->upper_bytes = total_bytes - header_bytes;
	return parse_fragment(packet, fragment & 0x1fff, fragment & 0x2000, packet->upper_bytes);
}

/* Take the extension header at `packet->upper`; CONTINUE when there is more to walk. */
static __always_inline int parse_extension(struct __sk_buff *skb, struct packet *packet)
{
	__u8 head[8];
	__u32 bytes, fragment;

	if (packet->upper_bytes < 8 || !load(skb, packet->upper, head, sizeof(head)))
		return DROP_MALFORMED;
	bytes = packet->protocol == NEXT_FRAGMENT ? 8 : (head[1] + 1) * 8;
	if (bytes > packet->upper_bytes)
		return DROP_MALFORMED;
	packet->upper += bytes;
	packet->upper_bytes -= bytes;
	if (packet->protocol != NEXT_FRAGMENT) {
		packet->protocol = head[0];
		return CONTINUE;
	}
	packet->protocol = head[0];
	__builtin_memcpy(&packet->identification, head + 4, 4);
	fragment = head[2] << 8 | head[3];
	return parse_fragment(packet, fragment >> 3, fragment & 1, packet->upper_bytes);
}

static __always_inline bool is_extension(__u8 next)
{
	return next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_FRAGMENT ||
	       next == NEXT_DESTINATION;
}

static __noinline int parse_extensions(struct __sk_buff *skb, struct packet *packet)
{
	bool fragment_seen = false;

	for (int i = 0; i <= MAX_EXTENSIONS; i++) {
		int step;

		if (packet->fragment == FRAGMENT_LATER || !is_extension(packet->protocol))
			return CONTINUE;
		if (i == MAX_EXTENSIONS || (fragment_seen && packet->protocol == NEXT_FRAGMENT))
			return DROP_MALFORMED;
		fragment_seen |= packet->protocol == NEXT_FRAGMENT;
		step = parse_extension(skb, packet);
		if (step != CONTINUE)
			return step;
	}
	return DROP_MALFORMED;
}

static __always_inline int parse_ipv6(struct __sk_buff *skb, struct packet *packet,
				      const struct ipv6 *ip)
{
	__u32 payload_bytes = bpf_ntohs(ip->payload_bytes);

	if (bpf_ntohl(ip->version_class_flow) >> 28 != 6 ||
	    payload_bytes > packet->length - ETHERNET_BYTES - sizeof(*ip))
		return DROP_MALFORMED;
	packet->family = FAMILY_IPV6;
	packet->protocol = ip->next;
	packet->hop_limit = ip->hop_limit;
	__builtin_memcpy(packet->source, ip->source, 16);
	__builtin_memcpy(packet->destination, ip->destination, 16);
	packet->upper = ETHERNET_BYTES + sizeof(*ip);
	packet->upper_bytes = payload_bytes;
	return is_extension(ip->next) ? parse_extensions(skb, packet) : CONTINUE;
}

static __always_inline int parse_tcp(struct __sk_buff *skb, struct packet *packet)
{
	struct {
		__be16 source, destination;
		__be32 sequence, acknowledgement;
		__u8 offset, flags;
	} tcp;

	if (packet->upper_bytes < 20 || !load(skb, packet->upper, &tcp, 14))
		return DROP_MALFORMED;
	packet->tcp_bytes = (tcp.offset >> 4) * 4;
	if (packet->tcp_bytes < 20 || packet->tcp_bytes > packet->upper_bytes)
		return DROP_MALFORMED;
	packet->tcp_flags = tcp.flags;
	packet->source_value = tcp.source;
	packet->destination_value = tcp.destination;
	return CONTINUE;
}

static __always_inline int parse_ports(struct __sk_buff *skb, struct packet *packet)
{
	__u32 needed = packet->protocol == PROTOCOL_SCTP || packet->protocol == PROTOCOL_DCCP ?
			       12 : 8;
	__be16 words[4];

	if (packet->upper_bytes < needed || !load(skb, packet->upper, words, sizeof(words)))
		return DROP_MALFORMED;
	packet->source_value = words[0];
	packet->destination_value = words[1];
	if (packet->protocol == PROTOCOL_UDP && packet->fragment == FRAGMENT_NONE &&
	    (bpf_ntohs(words[2]) < 8 || bpf_ntohs(words[2]) > packet->upper_bytes))
		return DROP_MALFORMED;
	return CONTINUE;
}

static __always_inline int parse_icmp(struct __sk_buff *skb, struct packet *packet)
{
	__be16 words[3] = {};
	__u8 *bytes = (__u8 *)words;

	if (packet->upper_bytes < 4 || !load(skb, packet->upper, words, 4))
		return DROP_MALFORMED;
	packet->icmp_type = bytes[0];
	packet->icmp_code = bytes[1];
	if (packet->family == FAMILY_IPV6 && !(bytes[0] >= 1 && bytes[0] <= 4) &&
	    bytes[0] != 128 && bytes[0] != 129)
		return CONTINUE;
	if (packet->upper_bytes < 8 || !load(skb, packet->upper, words, sizeof(words)))
		return DROP_MALFORMED;
	if (is_icmp_echo(packet->family, bytes[0], bytes[1])) {
		packet->source_value = words[2];
		packet->destination_value = words[2];
	}
	return CONTINUE;
}

static __always_inline int parse_upper(struct __sk_buff *skb, struct packet *packet)
{
	if (packet->fragment == FRAGMENT_LATER)
		return CONTINUE;
	if (packet->protocol == PROTOCOL_TCP)
		return parse_tcp(skb, packet);
	if (carries_ports(packet->protocol))
		return parse_ports(skb, packet);
	if (is_icmp(packet))
		return parse_icmp(skb, packet);
	return CONTINUE;
}

/* Read the MACs only: what forwarding needs of a frame that nobody judges. */
static __always_inline bool parse_ethernet(struct __sk_buff *skb, struct packet *packet,
					   struct ethernet *ethernet)
{
	packet->length = skb->len;
	if (!load(skb, 0, ethernet, sizeof(*ethernet)))
		return false;
	__builtin_memcpy(packet->destination_mac, ethernet->destination, 6);
	__builtin_memcpy(packet->source_mac, ethernet->source, 6);
	return true;
}

static __always_inline int parse_network(struct __sk_buff *skb, struct packet *packet,
					 struct frame_head *head)
{
	switch (head->ethernet.type) {
	case bpf_htons(ETHERTYPE_IPV4):
		if (!load(skb, ETHERNET_BYTES, &head->ipv4, sizeof(head->ipv4)))
			return DROP_MALFORMED;
		return parse_ipv4(packet, &head->ipv4);
	case bpf_htons(ETHERTYPE_IPV6):
		if (!load(skb, ETHERNET_BYTES, &head->ipv6, sizeof(head->ipv6)))
			return DROP_MALFORMED;
		return parse_ipv6(skb, packet, &head->ipv6);
	case bpf_htons(ETHERTYPE_ARP):
		if (!load(skb, ETHERNET_BYTES, &head->arp, sizeof(head->arp)))
			return DROP_MALFORMED;
		return parse_arp(packet, &head->arp);
	case bpf_htons(ETHERTYPE_VLAN):
	case bpf_htons(ETHERTYPE_QINQ):
		return DROP_VLAN_TAGGED;
	default:
		return DROP_ETHERTYPE_REFUSED;
	}
}

/* CONTINUE, or why the frame cannot be judged; the MACs are there in either case. */
__attribute__((noinline)) int parse(struct __sk_buff *skb, struct packet *packet)
{
	struct frame_head head = {};
	int step;

	if (!packet)
		return DROP_INTERNAL_ERROR;
	if (!parse_ethernet(skb, packet, &head.ethernet))
		return DROP_MALFORMED;
	if (skb->vlan_present)
		return DROP_VLAN_TAGGED;
	step = parse_network(skb, packet, &head);
	if (step != CONTINUE || head.ethernet.type == bpf_htons(ETHERTYPE_ARP))
		return step;
	return parse_upper(skb, packet);
}

#endif
