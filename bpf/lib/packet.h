/* A frame, parsed once. Later steps read this and not the bytes. */
#ifndef PORTLIGHT_PACKET_H
#define PORTLIGHT_PACKET_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "../abi.h"

#define ETHERNET_BYTES 14
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_QINQ 0x88a8

#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_DCCP 33
#define PROTOCOL_ICMPV6 58
#define PROTOCOL_VRRP 112
#define PROTOCOL_SCTP 132
#define PROTOCOL_UDPLITE 136

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define ND_ROUTER_SOLICITATION 133
#define ND_ROUTER_ADVERTISEMENT 134
#define ND_NEIGHBOUR_SOLICITATION 135
#define ND_NEIGHBOUR_ADVERTISEMENT 136
#define ND_REDIRECT 137
#define ND_HOP_LIMIT 255

/* A step of the way: go on, allow, or drop for the returned reason. */
#define CONTINUE (-1)
#define ALLOW DROP_NONE

/* family of an ARP packet; its addresses are the sender's and the target's */
#define FAMILY_ARP 0

enum fragment_part {
	FRAGMENT_NONE = 0, /* a whole packet */
	FRAGMENT_FIRST,
	FRAGMENT_LATER, /* without upper header: all fields of it are 0 */
};

struct packet {
	__u8 source[16];
	__u8 destination[16];
	__u8 source_mac[6];
	__u8 destination_mac[6];
	__u8 sender_mac[6]; /* ARP */
	__u8 family;
	__u8 protocol;
	__u32 epoch; /* of the rules; read before everything else */
	__u32 length; /* of the frame */
	__u32 upper; /* offset of the upper header in the frame */
	__u32 upper_bytes; /* from there to the end of the IP payload */
	__u32 identification; /* of a fragment */
	__be16 source_value; /* port, or identifier of an echo, or 0 */
	__be16 destination_value;
	__u8 fragment; /* enum fragment_part */
	__u8 fragment_protocol; /* as the fragment's own header names it */
	__u8 hop_limit;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 tcp_flags;
	__u8 tcp_bytes; /* length of the TCP header */
	__u8 pad;
};

static __always_inline bool same_mac(const __u8 *a, const __u8 *b)
{
	const __u16 *x = (const __u16 *)a, *y = (const __u16 *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]));
}

static __always_inline bool is_no_mac(const __u8 *mac)
{
	const __u16 *x = (const __u16 *)mac;

	return !(x[0] | x[1] | x[2]);
}

static __always_inline bool is_no_address(const __u8 *address)
{
	const __u32 *x = (const __u32 *)address;

	return !(x[0] | x[1] | x[2] | x[3]);
}

static __always_inline __u32 mapped_ipv4(const __u8 *address)
{
	return *(const __u32 *)(address + 12);
}

static __always_inline void map_ipv4(__u8 *address, __u32 ipv4)
{
	__u32 *x = (__u32 *)address;

	x[0] = 0;
	x[1] = 0;
	x[2] = bpf_htonl(0x0000ffff);
	x[3] = ipv4;
}

static __always_inline bool is_icmp(const struct packet *packet)
{
	return packet->protocol ==
	       (packet->family == FAMILY_IPV4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6);
}

static __always_inline bool is_icmp_echo(__u8 family, __u8 type, __u8 code)
{
	if (code)
		return false;
	return family == FAMILY_IPV4 ? type == 8 || type == 0 : type == 128 || type == 129;
}

/* Of an echo: the direction of its requests. */
static __always_inline __u8 echo_asker(__u8 family, __u8 type, bool egress)
{
	bool asks = type == (family == FAMILY_IPV4 ? 8 : 128);

	return asks == egress ? DIRECTION_EGRESS : DIRECTION_INGRESS;
}

static __always_inline bool carries_ports(__u8 protocol)
{
	return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP ||
	       protocol == PROTOCOL_DCCP || protocol == PROTOCOL_UDPLITE;
}

/* UDP between these two ports, in a packet that shows its ports. */
static __always_inline bool is_udp(const struct packet *packet, __u8 family, __u16 from, __u16 to)
{
	return packet->family == family && packet->protocol == PROTOCOL_UDP &&
	       packet->source_value == bpf_htons(from) &&
	       packet->destination_value == bpf_htons(to);
}

static __always_inline bool is_icmpv6(const struct packet *packet)
{
	return packet->family == FAMILY_IPV6 && packet->protocol == PROTOCOL_ICMPV6 &&
	       packet->fragment != FRAGMENT_LATER;
}

static __always_inline bool is_mld(const struct packet *packet)
{
	__u8 type = packet->icmp_type;

	return is_icmpv6(packet) && packet->fragment == FRAGMENT_NONE &&
	       (type == 130 || type == 131 || type == 132 || type == 143);
}

/* What guests say to each other to find themselves. */
static __always_inline bool is_neighbour_discovery(const struct packet *packet)
{
	__u8 type = packet->icmp_type;

	return is_icmpv6(packet) && packet->fragment == FRAGMENT_NONE && !packet->icmp_code &&
	       packet->hop_limit == ND_HOP_LIMIT &&
	       (type == ND_ROUTER_SOLICITATION || type == ND_NEIGHBOUR_SOLICITATION ||
		type == ND_NEIGHBOUR_ADVERTISEMENT);
}

#endif
