/* tc egress of a port's host end: a frame that the bridge delivers. docs/design/packet-path.md */
#include "lib/count.h"
#include "lib/judge.h"
#include "lib/mirror.h"

/* Tell the program that made this copy what became of it; production has no use for it. */
static __always_inline int settle_copy(struct __sk_buff *skb, int action)
{
	struct mirror_job *job = find_job();

	if (!job || !job->active)
		return action;
	if (action == TC_ACT_OK) {
		job->copied += job->packets;
		job->copied_bytes += skb->len;
	} else {
		job->refused += job->packets;
	}
	return action;
}

static __always_inline int refuse(struct __sk_buff *skb, __u32 port, __u8 reason)
{
	return settle_copy(skb, drop(skb, port, DIRECTION_INGRESS, reason));
}

SEC("tc")
int to_port(struct __sk_buff *skb)
{
	struct packet *packet;
	__u32 zero = 0, ifindex = skb->ifindex;
	struct settings *present = bpf_map_lookup_elem(&settings, &zero);
	struct port_entry *port;
	int step = ALLOW, parsed = DROP_MALFORMED;
	bool mirrored;

	if (!present)
		return refuse(skb, 0, DROP_INTERNAL_ERROR);
	/* First of all: what is judged while the rules change belongs to the old epoch. */
	packet = begin_packet(*(volatile __u32 *)&present->epoch);
	if (!packet)
		return refuse(skb, 0, DROP_INTERNAL_ERROR);
	port = bpf_map_lookup_elem(&links, &ifindex);
	if (!port)
		return refuse(skb, 0, DROP_PORT_UNKNOWN);
	if (!(port->flags & PORT_UP))
		return refuse(skb, port->number, DROP_PORT_DOWN);
	mirrored = port->flags & PORT_MIRRORED && !in_copy();
	if (mirrored || port->flags & PORT_SECURED)
		parsed = parse(skb, packet);
	if (port->flags & PORT_SECURED)
		step = parsed == CONTINUE ? judge_ingress(skb, port, packet, false) : parsed;
	if (mirrored && parsed == CONTINUE)
		mirror_packet(skb, port, packet, false, step);
	if (step != ALLOW)
		return refuse(skb, port->number, step);
	count(skb, port->number, DIRECTION_INGRESS, DROP_NONE);
	return settle_copy(skb, TC_ACT_OK);
}

char _license[] SEC("license") = "GPL";
