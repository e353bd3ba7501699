/* ICMP errors about a packet of a live flow are part of it. */
#ifndef PORTLIGHT_RELATED_H
#define PORTLIGHT_RELATED_H

#include "flow.h"
#include "packet.h"
#include "parse.h"

#define ICMP_HEADER_BYTES 8
#define QUOTED_UPPER_BYTES 8

static __always_inline bool is_icmp_error(const struct packet *packet)
{
	__u8 type = packet->icmp_type;

	if (!is_icmp(packet) || packet->fragment == FRAGMENT_LATER)
		return false;
	if (packet->family == FAMILY_IPV6)
		return type >= 1 && type <= 4;
	return type == 3 || type == 4 || type == 11 || type == 12;
}

/* The packet that the error quotes; `offset` is where its upper header lies in the frame. */
struct quoted {
	__u8 source[16];
	__u8 destination[16];
	__u32 offset;
	__u32 bytes; /* from its IP header to the upper header */
	__u8 protocol;
};

static __always_inline bool read_quoted_ipv4(struct __sk_buff *skb, struct quoted *quoted)
{
	struct ipv4 ip;

	if (!load(skb, quoted->offset, &ip, sizeof(ip)))
		return false;
	quoted->bytes = (ip.version_length & 15) * 4;
	if (ip.version_length >> 4 != 4 || quoted->bytes < 20 || ip.fragment & bpf_htons(0x1fff))
		return false;
	quoted->protocol = ip.protocol;
	map_ipv4(quoted->source, ip.source);
	map_ipv4(quoted->destination, ip.destination);
	return true;
}

static __always_inline bool read_quoted_ipv6(struct __sk_buff *skb, struct quoted *quoted)
{
	struct ipv6 ip;

	if (!load(skb, quoted->offset, &ip, sizeof(ip)) ||
	    bpf_ntohl(ip.version_class_flow) >> 28 != 6 || is_extension(ip.next))
		return false;
	quoted->bytes = sizeof(ip);
	quoted->protocol = ip.next;
	__builtin_memcpy(quoted->source, ip.source, 16);
	__builtin_memcpy(quoted->destination, ip.destination, 16);
	return true;
}

static __always_inline bool read_quoted_values(struct __sk_buff *skb, const struct quoted *quoted,
					       struct flow_key *key, bool egress, __be16 values[2])
{
	__be16 words[4];
	__u8 *bytes = (__u8 *)words;
	__u8 family = key->family;

	if (!load(skb, quoted->offset, words, sizeof(words)))
		return false;
	values[0] = values[1] = 0;
	if (carries_ports(quoted->protocol)) {
		values[0] = words[0];
		values[1] = words[1];
	} else if (quoted->protocol ==
		   (family == FAMILY_IPV4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6)) {
		if (!is_icmp_echo(family, bytes[0], bytes[1]))
			return false;
		/* The quoted packet went the other way. */
		key->asker = echo_asker(family, bytes[0], !egress);
		values[0] = values[1] = words[2];
	}
	return true;
}

/* Our guest sent the quoted packet if the error goes to it; else it received it. */
static __always_inline void quoted_key(struct flow_key *key, const struct quoted *quoted,
				       const __be16 values[2], bool egress)
{
	__builtin_memcpy(key->local, egress ? quoted->destination : quoted->source, 16);
	__builtin_memcpy(key->remote, egress ? quoted->source : quoted->destination, 16);
	key->local_value = values[egress ? 1 : 0];
	key->remote_value = values[egress ? 0 : 1];
	key->protocol = quoted->protocol;
}

__attribute__((noinline)) int is_related(struct __sk_buff *skb, struct port_entry *port,
					 struct packet *packet, int egress)
{
	struct flow_key key = {};
	struct quoted quoted = {};
	struct flow *flow;
	__be16 values[2];

	if (!port || !packet)
		return false;
	key.port = port->number;
	key.family = packet->family;
	quoted.offset = packet->upper + ICMP_HEADER_BYTES;
	if (packet->upper_bytes < ICMP_HEADER_BYTES + 20 + QUOTED_UPPER_BYTES)
		return false;
	if (!(packet->family == FAMILY_IPV4 ? read_quoted_ipv4(skb, &quoted) :
					      read_quoted_ipv6(skb, &quoted)))
		return false;
	if (packet->upper_bytes < ICMP_HEADER_BYTES + quoted.bytes + QUOTED_UPPER_BYTES)
		return false;
	quoted.offset += quoted.bytes;
	if (!read_quoted_values(skb, &quoted, &key, egress, values))
		return false;
	quoted_key(&key, &quoted, values, egress);
	flow = find_flow(&key, bpf_ktime_get_coarse_ns());
	return flow && !is_revoked(flow);
}

#endif
