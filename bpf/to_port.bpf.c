/* tc egress of a port's host end: a frame that the bridge delivers. docs/design/packet-path.md */
#include "lib/count.h"
#include "lib/judge.h"
#include "lib/mirror.h"

/* Write down what became of this copy; the last one of an order counts it. */
static __always_inline int settle_copy(struct __sk_buff *skb, struct mirror_job *job)
{
	if (job->verdict == ALLOW) {
		job->frames++;
		job->copied += job->packets;
		job->copied_bytes += skb->len;
	} else {
		job->refused += job->packets;
	}
	if (job->alone)
		settle_job(job);
	return job->verdict == ALLOW ? TC_ACT_OK : TC_ACT_SHOT;
}

/* The copies of one packet differ in nothing that the target's rules read: one verdict for all. */
static __always_inline int repeat_verdict(struct __sk_buff *skb, struct mirror_job *job)
{
	job->repeated += job->packets;
	job->repeated_bytes += skb->len;
	return settle_copy(skb, job);
}

/* `job`: of which the frame is a copy, or NULL. */
static __always_inline int settle(struct __sk_buff *skb, struct mirror_job *job, __u32 port,
				  __u8 verdict)
{
	if (job) {
		job->judge = port;
		job->verdict = verdict;
		count_many(port, DIRECTION_INGRESS, verdict, job->packets, skb->len);
		return settle_copy(skb, job);
	}
	if (verdict != ALLOW)
		return drop(skb, port, DIRECTION_INGRESS, verdict);
	count(skb, port, DIRECTION_INGRESS, DROP_NONE);
	return TC_ACT_OK;
}

SEC("tc")
int to_port(struct __sk_buff *skb)
{
	struct packet *packet;
	__u32 zero = 0, ifindex = skb->ifindex;
	struct settings *present = bpf_map_lookup_elem(&settings, &zero);
	struct mirror_job *job = find_job(skb);
	struct port_entry *port;
	int step = ALLOW, parsed = DROP_MALFORMED;
	bool mirrored;

	if (job && job->judge)
		return repeat_verdict(skb, job);
	if (!present)
		return settle(skb, job, 0, DROP_INTERNAL_ERROR);
	/* First of all: what is judged while the rules change belongs to the old epoch. */
	packet = begin_packet(*(volatile __u32 *)&present->epoch);
	if (!packet)
		return settle(skb, job, 0, DROP_INTERNAL_ERROR);
	port = bpf_map_lookup_elem(&links, &ifindex);
	if (!port)
		return settle(skb, job, 0, DROP_PORT_UNKNOWN);
	if (!(port->flags & PORT_UP))
		return settle(skb, job, port->number, DROP_PORT_DOWN);
	mirrored = port->flags & PORT_MIRRORED && !job;
	if (mirrored || port->flags & PORT_SECURED)
		parsed = parse(skb, packet);
	if (port->flags & PORT_SECURED)
		step = parsed == CONTINUE ? judge_ingress(skb, port, packet, false) : parsed;
	if (mirrored && parsed == CONTINUE)
		mirror_packet(skb, port, packet, false, step);
	return settle(skb, job, port->number, step);
}

char _license[] SEC("license") = "GPL";
