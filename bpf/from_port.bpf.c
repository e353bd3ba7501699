/* tc ingress of a port's host end: a frame that the guest sent. docs/design/packet-path.md */
#include "lib/forward.h"

/* Enumerations reach BTF only when something refers to them; tests/abi reads them there. */
const volatile enum drop_reason abi_drop_reason;
const volatile enum direction abi_direction;
const volatile enum port_flag abi_port_flag;
const volatile enum forwarding_flag abi_forwarding_flag;
const volatile enum binding_kind abi_binding_kind;
const volatile enum claim_policy abi_claim_policy;
const volatile enum claim_kind abi_claim_kind;
const volatile enum claim_flag abi_claim_flag;
const volatile enum flow_flag abi_flow_flag;
const volatile enum classify_action abi_classify_action;
const volatile enum rule_flag abi_rule_flag;
const volatile enum mirror_outcome abi_mirror_outcome;
const volatile struct claim_event abi_claim_event;
const volatile struct virtual_ip_owner abi_virtual_ip_owner;

SEC("tc")
int from_port(struct __sk_buff *skb)
{
	struct packet *packet;
	__u32 zero = 0, ifindex = skb->ifindex;
	struct settings *present = bpf_map_lookup_elem(&settings, &zero);
	struct port_entry *port;
	int parsed, step = ALLOW;

	if (!present)
		return drop(skb, 0, DIRECTION_EGRESS, DROP_INTERNAL_ERROR);
	/* First of all: what is judged while the rules change belongs to the old epoch. */
	packet = begin_packet(*(volatile __u32 *)&present->epoch);
	if (!packet)
		return drop(skb, 0, DIRECTION_EGRESS, DROP_INTERNAL_ERROR);
	port = bpf_map_lookup_elem(&links, &ifindex);
	if (!port)
		return drop(skb, 0, DIRECTION_EGRESS, DROP_PORT_UNKNOWN);
	if (!(port->flags & PORT_UP))
		return drop(skb, port->number, DIRECTION_EGRESS, DROP_PORT_DOWN);
	parsed = parse(skb, packet);
	if (port->flags & PORT_SECURED)
		step = parsed == CONTINUE ? judge_egress(skb, port, packet) : parsed;
	if (port->flags & PORT_MIRRORED && parsed == CONTINUE)
		mirror_packet(skb, port, packet, true, step);
	if (step != ALLOW)
		return drop(skb, port->number, DIRECTION_EGRESS, step);
	count(skb, port->number, DIRECTION_EGRESS, DROP_NONE);
	return forward(skb, port, packet, parsed);
}

char _license[] SEC("license") = "GPL";
