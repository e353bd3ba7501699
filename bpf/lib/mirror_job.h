/* What is handed from the program that asks for a copy to the ones that make and receive it.
 *
 * A copy is made in one go: bpf_clone_redirect on the way of the original runs `mirror` on the
 * egress of the helper device, and that `to_port` of the target, on the same CPU, before it
 * returns. So one record for each CPU carries the order there and the outcome back.
 */
#ifndef PORTLIGHT_MIRROR_JOB_H
#define PORTLIGHT_MIRROR_JOB_H

#include <stdbool.h>

#include "../maps.h"

#define COPY_HEADERS 36 /* IPv4, UDP, VXLAN: of IP bytes */
#define VXLAN_PORT 4789
#define OUTER_BYTES 50 /* what a copy is longer than its inner frame */

struct mirror_job {
	struct mirror_way way;
	__u32 active; /* a copy is under way on this CPU */
	__u32 headers; /* bytes of a super-packet before its payload; 0: unknown */
	__u32 upper; /* offset of its TCP or UDP header */
	__u32 first; /* the first segment of this round */
	__u32 segments; /* of this round; 0: the frame as it is */
	__u32 packets; /* that the frame on its way to the target stands for */
	__u16 source_port; /* of the outer UDP header */
	__u8 family;
	__u8 protocol;
	__u8 reason; /* why the original was dropped; 0: it was not */
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

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mirror_job);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} mirror_jobs SEC(".maps");

static __always_inline struct mirror_job *find_job(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&mirror_jobs, &zero);
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

/* The job of which the frame at hand is a copy, or NULL: it is production. */
static __always_inline struct mirror_job *find_active_job(void)
{
	struct mirror_job *job = find_job();

	return job && job->active ? job : NULL;
}

#endif
