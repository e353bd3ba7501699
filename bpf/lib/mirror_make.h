/* Make the copies of an order that has come to the helper device. docs/design/mirroring.md section 3 */
#ifndef PORTLIGHT_MIRROR_MAKE_H
#define PORTLIGHT_MIRROR_MAKE_H

#include "encapsulate.h"
#include "mirror_queue.h"
#include "segments.h"

struct mirror_walk {
	struct __sk_buff *skb;
	struct mirror_job *job;
	__u32 segments;
	__u32 at_once;
};

static long send_round(__u32 round, struct mirror_walk *walk)
{
	__u32 first = round * walk->at_once, left = walk->segments - first;

	walk->job->first = first;
	walk->job->segments = left < walk->at_once ? left : walk->at_once;
	/* What it returns says nothing: the clone of a round always ends in `copy_segments`. */
	bpf_clone_redirect(walk->skb, walk->skb->ifindex, 0);
	return 0;
}

/* Whether one copy stands for all that was ordered: nothing is segmented. */
static __always_inline bool is_one_frame(const struct __sk_buff *skb,
					 const struct mirror_job *job)
{
	return job->wanted < 2 ||
	       (job->headers && job->headers + skb->gso_size <= kept_bytes(&job->way));
}

/* Copies beyond `room` are not made. */
static __always_inline __u32 keep_to(struct mirror_job *job, __u32 room)
{
	if (job->wanted > room) {
		count_copies(&job->one, MIRROR_OVERLOAD, job->wanted - room, 0);
		job->wanted = room;
	}
	return job->wanted;
}

/* A super-packet whose segments must each be cut: as rounds of clones that come to the egress. */
static __always_inline void send_rounds(struct __sk_buff *skb, struct mirror_job *job, __u32 room)
{
	struct mirror_walk walk = { .skb = skb, .job = job };
	__u32 all = job->wanted, whole, wanted = keep_to(job, room);

	if (!job->headers || !skb->gso_size)
		return;
	whole = (skb->len - job->headers) / skb->gso_size;
	walk.segments = whole < wanted ? whole : wanted;
	walk.at_once = segments_at_once(kept_bytes(&job->way));
	bpf_loop((walk.segments + walk.at_once - 1) / walk.at_once, send_round, &walk, 0);
	if (whole == all || wanted < all)
		return;
	/* The last segment is shorter than the others. */
	job->first = whole;
	job->segments = 1;
	bpf_clone_redirect(skb, skb->ifindex, 0);
}

static __always_inline int make_copies(struct __sk_buff *skb, struct mirror_job *job)
{
	__u32 zero = 0, cpu = cpu_of_mark(skb->mark), room;
	struct mirror_queue *queue = bpf_map_lookup_percpu_elem(&mirror_order_queues, &zero, cpu);
	int step;

	if (!queue)
		return TC_ACT_SHOT;
	land(queue, job, cpu);
	room = room_of(queue);
	if (!job->wanted)
		return TC_ACT_SHOT;
	if (!is_one_frame(skb, job)) {
		send_rounds(skb, job, room);
		queue->sent += job->frames;
		settle_job(job);
		return TC_ACT_SHOT;
	}
	if (!room) {
		keep_to(job, 0);
		return TC_ACT_SHOT;
	}
	queue->sent++;
	job->alone = 1;
	step = copy_frame(skb, job);
	if (step == TC_ACT_SHOT)
		settle_job(job);
	return step;
}

#endif
