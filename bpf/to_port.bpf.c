/* tc egress of a port's host end: a frame that the bridge delivers. docs/design/packet-path.md */
#include "lib/count.h"
#include "lib/judge.h"

SEC("tc")
int to_port(struct __sk_buff *skb)
{
	struct packet *packet;
	__u32 zero = 0, ifindex = skb->ifindex;
	struct settings *present = bpf_map_lookup_elem(&settings, &zero);
	struct port_entry *port;
	int step;

	if (!present)
		return drop(skb, 0, DIRECTION_INGRESS, DROP_INTERNAL_ERROR);
	/* First of all: what is judged while the rules change belongs to the old epoch. */
	packet = begin_packet(*(volatile __u32 *)&present->epoch);
	if (!packet)
		return drop(skb, 0, DIRECTION_INGRESS, DROP_INTERNAL_ERROR);
	port = bpf_map_lookup_elem(&links, &ifindex);
	if (!port)
		return drop(skb, 0, DIRECTION_INGRESS, DROP_PORT_UNKNOWN);
	if (!(port->flags & PORT_UP))
		return drop(skb, port->number, DIRECTION_INGRESS, DROP_PORT_DOWN);
	if (port->flags & PORT_SECURED) {
		step = parse(skb, packet);
		if (step == CONTINUE)
			step = judge_ingress(skb, port, packet, false);
		if (step != ALLOW)
			return drop(skb, port->number, DIRECTION_INGRESS, step);
	}
	count(skb, port->number, DIRECTION_INGRESS, DROP_NONE);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
