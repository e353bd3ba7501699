/* Make a copy of what the helper device was given: cut, VXLAN around it, to the target's link.
 * docs/design/mirroring.md section 3
 */
#ifndef PORTLIGHT_ENCAPSULATE_H
#define PORTLIGHT_ENCAPSULATE_H

#include <linux/pkt_cls.h>

#include "mirror_job.h"
#include "packet.h"
#include "wire.h"

#define VXLAN_HAS_VNI 0x08
#define DONT_FRAGMENT 0x4000
#define TCP_CWR 0x80
#define TCP_PSH 0x08

struct udp {
	__be16 source;
	__be16 destination;
	__be16 bytes;
	__be16 checksum;
};

struct vxlan {
	__u8 flags;
	__u8 reserved[3];
	__be32 vni_reserved;
};

struct outer {
	struct ethernet ethernet;
	struct ipv4 ip;
	struct udp udp;
	struct vxlan vxlan;
} __attribute__((packed));
_Static_assert(sizeof(struct outer) == OUTER_BYTES, "outer");

static __always_inline __u16 ipv4_checksum(const void *header)
{
	__s64 sum = bpf_csum_diff(NULL, 0, (__be32 *)header, sizeof(struct ipv4), 0);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline void fill_outer(struct outer *outer, const struct mirror_job *job,
				       __u32 inner_bytes)
{
	const struct mirror_way *way = &job->way;
	struct ipv4 ip = {
		.version_length = 0x45,
		.total_bytes = bpf_htons(COPY_HEADERS + inner_bytes),
		.fragment = bpf_htons(DONT_FRAGMENT),
		.ttl = 64,
		.protocol = PROTOCOL_UDP,
		.source = way->source,
		.destination = way->target,
	};

	ip.checksum = ipv4_checksum(&ip);
	__builtin_memcpy(outer->ethernet.destination, way->target_mac, 6);
	__builtin_memcpy(outer->ethernet.source, way->source_mac, 6);
	outer->ethernet.type = bpf_htons(ETHERTYPE_IPV4);
	outer->ip = ip;
	outer->udp.source = bpf_htons(job->source_port);
	outer->udp.destination = bpf_htons(VXLAN_PORT);
	outer->udp.bytes = bpf_htons(sizeof(struct udp) + sizeof(struct vxlan) + inner_bytes);
	outer->udp.checksum = 0;
	outer->vxlan.flags = VXLAN_HAS_VNI;
	__builtin_memset(outer->vxlan.reserved, 0, sizeof(outer->vxlan.reserved));
	outer->vxlan.vni_reserved = bpf_htonl(way->vni << 8 | job->one.reason);
}

/* Put the outer headers around the frame. `inner_bytes`: how much of it is the copy; what lies
 * behind (a frame cannot be cut below its checksum's place) is padding of the outer frame.
 */
static __always_inline bool encapsulate(struct __sk_buff *skb, const struct mirror_job *job,
					__u32 inner_bytes)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 |
		      BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2(ETHERNET_BYTES) |
		      BPF_F_ADJ_ROOM_ENCAP_L2_ETH;
	struct ethernet inner;
	struct outer outer;

	if (!load(skb, 0, &inner, sizeof(inner)) ||
	    bpf_skb_adjust_room(skb, OUTER_BYTES, BPF_ADJ_ROOM_MAC, flags))
		return false;
	fill_outer(&outer, job, inner_bytes);
	return !bpf_skb_store_bytes(skb, 0, &outer, sizeof(outer), 0) &&
	       !bpf_skb_store_bytes(skb, sizeof(outer), &inner, sizeof(inner), 0);
}

/* Cut a frame; return the bytes that are left of it, or 0. */
static __always_inline __u32 cut(struct __sk_buff *skb, const struct mirror_job *job, __u32 keep)
{
	static const __u8 zeros[64] = {};
	__u32 shortest = job->upper + 18; /* up to behind the checksum of TCP */
	__u32 padding = shortest - keep;

	if (skb->len <= keep)
		return skb->len;
	if (!bpf_skb_change_tail(skb, keep, 0))
		return keep;
	/* The kernel cuts no frame before the place where a device would put a checksum. */
	if (keep >= shortest || skb->len < shortest || bpf_skb_change_tail(skb, shortest, 0))
		return 0;
	OPAQUE(padding);
	if (!padding || padding > sizeof(zeros) ||
	    bpf_skb_store_bytes(skb, keep, zeros, padding, 0))
		return 0;
	return keep;
}

/* One copy of the whole frame, or of its beginning. */
static __always_inline int copy_frame(struct __sk_buff *skb, struct mirror_job *job)
{
	__u32 before = skb->len, keep = kept_bytes(&job->way), left = before;

	if (job->packets < 2 && before > keep)
		left = cut(skb, job, keep);
	if (!left || !encapsulate(skb, job, left))
		return TC_ACT_SHOT;
	if (left < before) {
		job->truncated++;
		job->lost_bytes += before - left;
	}
	return bpf_redirect(job->way.ifindex, 0);
}

#endif
