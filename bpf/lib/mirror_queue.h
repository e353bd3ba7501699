/* How many copies wait on this CPU. docs/design/mirroring.md section 4, `overload`
 *
 * A veth hands its frames over to one queue of the CPU, production's, orders and copies alike; what
 * exceeds net.core.netdev_max_backlog (1,000 by default) Linux drops, whoever it belongs to. So orders
 * and copies take a part of it only. A program cannot read that queue, but it is first in, first out:
 * when an order lands on the helper device, all that was sent before it is through.
 */
#ifndef PORTLIGHT_MIRROR_QUEUE_H
#define PORTLIGHT_MIRROR_QUEUE_H

#include <stdbool.h>

#include "mirror_count.h"

#define MOST_WAITING 750
#define ASK_EVERY 64

struct mirror_queue {
	__u32 sent; /* orders and copies */
	__u32 landed; /* of these; both turn over */
	__u32 ordered; /* number of the last order */
	__u32 made; /* of the last one that landed */
	__u32 held; /* packets without a copy for want of room */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mirror_queue);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} mirror_order_queues SEC(".maps");

static __always_inline struct mirror_queue *find_queue(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&mirror_order_queues, &zero);
}

/* How many more frames may wait. */
static __always_inline __u32 room_of(const struct mirror_queue *queue)
{
	__u32 waiting = queue->sent - queue->landed;

	return waiting < MOST_WAITING ? MOST_WAITING - waiting : 0;
}

/* The record of the next order. */
static __always_inline struct mirror_job *begin_order(const struct mirror_queue *queue)
{
	__u32 number = queue->ordered + 1, slot = number & (MOST_JOBS - 1);
	struct mirror_job *job = bpf_map_lookup_elem(&mirror_orders, &slot);

	if (!job)
		return NULL;
	__builtin_memset(job, 0, sizeof(*job));
	job->number = number;
	return job;
}

/* Queue a clone with the order; false: Linux dropped it. */
static __always_inline bool place_order(struct __sk_buff *skb, struct mirror_queue *queue,
					struct mirror_job *job, __u32 helper)
{
	__u32 mark = skb->mark;
	long lost;

	job->sent = queue->sent + 1;
	skb->mark = ORDER_MARK | (bpf_get_smp_processor_id() & ORDER_CPUS) << ORDER_CPU_SHIFT |
		    (job->number & ORDER_NUMBERS);
	lost = bpf_clone_redirect(skb, helper, BPF_F_INGRESS);
	skb->mark = mark;
	if (lost)
		return false;
	queue->sent++;
	queue->ordered = job->number;
	return true;
}

/* With no order on its way, nothing would say when there is room again: send an empty one. Now and
 * then in any case: one is lost when its device goes.
 */
static __always_inline void ask_for_room(struct __sk_buff *skb, struct mirror_queue *queue,
					 __u32 helper)
{
	struct mirror_job *job;

	if (queue->ordered != queue->made && ++queue->held % ASK_EVERY)
		return;
	job = begin_order(queue);
	if (job)
		place_order(skb, queue, job, helper);
}

/* An order has come to the helper device: all that was sent before it is through. */
static __always_inline void land(struct mirror_queue *queue, const struct mirror_job *job,
				 __u32 cpu)
{
	__u32 before = queue->made & (MOST_JOBS - 1);

	/* Its only copy was given to the target's link right after it was made, or got lost there. */
	settle_job(bpf_map_lookup_percpu_elem(&mirror_orders, &before, cpu));
	queue->landed = job->sent;
	queue->made = job->number;
}

#endif
