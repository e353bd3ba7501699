/* How many copies wait on this CPU. docs/design/mirroring.md section 4, `overload`
 *
 * A veth hands its frames over to one queue of the CPU, production's and copies alike; what exceeds
 * net.core.netdev_max_backlog (1,000 by default) Linux drops, whoever it belongs to. So copies take a
 * part of it only. A program cannot read that queue, but it is first in, first out: now and then a
 * marker with the number of copies sent so far goes in behind them, to the ingress of the helper
 * device. When it lands, they are through.
 */
#ifndef PORTLIGHT_MIRROR_QUEUE_H
#define PORTLIGHT_MIRROR_QUEUE_H

#include <stdbool.h>

#include "../maps.h"

#define MOST_WAITING 750
#define MARKER_EVERY 64

struct mirror_queue {
	__u32 sent;
	__u32 landed; /* of these; both turn over */
	__u32 unmarked; /* sent or held back since the last marker */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mirror_queue);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} mirror_queues SEC(".maps");

static __always_inline struct mirror_queue *find_queue(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&mirror_queues, &zero);
}

static __always_inline bool has_room(const struct mirror_queue *queue, __u32 packets)
{
	return queue->sent - queue->landed + packets <= MOST_WAITING;
}

/* A marker may be lost in a full queue: what is held back leads to the next one, too. */
static __always_inline void keep_watch(struct __sk_buff *skb, struct mirror_queue *queue,
				       __u32 frames, __u32 helper)
{
	__u32 mark = skb->mark;

	queue->unmarked += frames;
	if (queue->unmarked < MARKER_EVERY)
		return;
	queue->unmarked = 0;
	skb->mark = queue->sent;
	bpf_clone_redirect(skb, helper, BPF_F_INGRESS);
	skb->mark = mark;
}

static __always_inline bool is_marker(const struct __sk_buff *skb)
{
	return skb->ingress_ifindex == skb->ifindex;
}

static __always_inline void land_marker(const struct __sk_buff *skb)
{
	struct mirror_queue *queue = find_queue();

	if (queue)
		queue->landed = skb->mark;
}

#endif
