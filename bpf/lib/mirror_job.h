/* What is handed from the program that orders a copy to the ones that make and receive it.
 *
 * Production goes first: on the way of the original only the order is written down, and a clone is
 * queued behind it to the ingress of the helper device, on the same CPU. There `mirror` makes the
 * copies, and `to_port` of the target judges them. The clone, and each copy of it, carries the number
 * of its order as its mark; nothing but our own programs sets one in this namespace.
 */
#ifndef PORTLIGHT_MIRROR_JOB_H
#define PORTLIGHT_MIRROR_JOB_H

#include <stdbool.h>

#include "../maps.h"

#define COPY_HEADERS 36 /* IPv4, UDP, VXLAN: of IP bytes */
#define VXLAN_PORT 4789
#define OUTER_BYTES 50 /* what a copy is longer than its inner frame */

/* Whose packet it is, for which session. */
struct mirror_case {
	__u32 session;
	__u32 port;
	__u32 version; /* of its ways */
	__u8 direction;
	__u8 reason; /* why the original was dropped; 0: it was not */
};

struct mirror_job {
	struct mirror_way way;
	struct mirror_case one;
	__u32 number; /* of the order, among those of its CPU */
	__u32 sent; /* frames that its CPU had been given up to it: mirror_queue.h */
	__u32 wanted; /* copies that are not counted yet; 0: this is settled */
	__u32 headers; /* bytes of a super-packet before its payload; 0: unknown */
	__u32 upper; /* offset of its TCP or UDP header */
	__u32 first; /* the first segment of this round */
	__u32 segments; /* of this round; 0: the order has just come */
	__u32 packets; /* that the frame on its way to the target stands for */
	__u16 source_port; /* of the outer UDP header */
	__u8 family;
	__u8 protocol;
	__u8 alone; /* one frame is all: who gets it settles the job */
	__u8 verdict; /* the target's on the first copy: enum drop_reason, or 0 */
	__u8 pad[2];
	__u32 judge; /* number of the port that gave it; 0: none yet */
	/* the outcome */
	__u32 frames; /* that the target's link took */
	__u32 copied;
	__u32 truncated;
	__u32 refused;
	__u32 repeated; /* copies after the first, which have its verdict */
	__u64 copied_bytes;
	__u64 repeated_bytes;
	__u64 lost_bytes;
};

/* More than may wait at once. */
#define MOST_JOBS 1024

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MOST_JOBS);
	__type(key, __u32);
	__type(value, struct mirror_job);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} mirror_orders SEC(".maps");

/* A mark: whose CPU's order, and the last bits of its number. */
#define ORDER_MARK 0x80000000
#define ORDER_CPU_SHIFT 20
#define ORDER_CPUS 0x7ff
#define ORDER_NUMBERS 0xfffff

static __always_inline __u32 cpu_of_mark(__u32 mark)
{
	return mark >> ORDER_CPU_SHIFT & ORDER_CPUS;
}

/* The job of which the frame at hand is a copy, or NULL: it is production. */
static __always_inline struct mirror_job *find_job(const struct __sk_buff *skb)
{
	__u32 mark = skb->mark, slot = mark & (MOST_JOBS - 1);
	struct mirror_job *job;

	if (!(mark & ORDER_MARK))
		return NULL;
	job = bpf_map_lookup_percpu_elem(&mirror_orders, &slot, cpu_of_mark(mark));
	return job && (job->number & ORDER_NUMBERS) == (mark & ORDER_NUMBERS) ? job : NULL;
}

/* Bytes of an inner frame that a copy keeps. */
static __always_inline __u32 kept_bytes(const struct mirror_way *way)
{
	__u32 room = way->mtu > COPY_HEADERS ? way->mtu - COPY_HEADERS : 0;

	return way->packet_length && way->packet_length < room ? way->packet_length : room;
}

/* Pieces of payload that are written down at once: many small ones, or few of jumbo frames. With
 * them a super-packet of 64 KiB is one round, because each round costs a copy of all of it.
 */
#define SEGMENT_STORES 4
#define SMALL_SLOT 2048
#define SMALL_SLOTS 16 /* of each store */
#define LARGE_SLOT 16384
#define LARGE_SLOTS 2
#define SMALL_COPY SMALL_SLOT

static __always_inline __u32 segments_at_once(__u32 kept)
{
	return SEGMENT_STORES * (kept < SMALL_COPY ? SMALL_SLOTS : LARGE_SLOTS);
}

#endif
