/* Headers as they are on the wire, and reading a frame. */
#ifndef PORTLIGHT_WIRE_H
#define PORTLIGHT_WIRE_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

/* The compiler must not prove away what the verifier cannot follow. */
#define OPAQUE(value) asm volatile("" : "+r"(value))

struct ethernet {
	__u8 destination[6];
	__u8 source[6];
	__be16 type;
};

struct ipv4 {
	__u8 version_length;
	__u8 tos;
	__be16 total_bytes;
	__be16 identification;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__be16 checksum;
	__u32 source;
	__u32 destination;
};

struct ipv6 {
	__be32 version_class_flow;
	__be16 payload_bytes;
	__u8 next;
	__u8 hop_limit;
	__u8 source[16];
	__u8 destination[16];
};

struct arp {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_bytes;
	__u8 protocol_bytes;
	__be16 operation;
	__u8 sender_mac[6];
	__u8 sender_ip[4];
	__u8 target_mac[6];
	__u8 target_ip[4];
};

static __always_inline bool load(struct __sk_buff *skb, __u32 offset, void *to, __u32 bytes)
{
	return !bpf_skb_load_bytes(skb, offset, to, bytes);
}

#endif
