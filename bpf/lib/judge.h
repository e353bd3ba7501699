/* The verdict on one packet at one port: ALLOW or a drop reason. */
#ifndef PORTLIGHT_JUDGE_H
#define PORTLIGHT_JUDGE_H

#include "announce.h"
#include "bind.h"
#include "flow.h"
#include "fragment.h"
#include "packet.h"
#include "related.h"
#include "virtual_ip.h"

/* The source was bound under the present rules when this flow's last packet was judged. */
static __always_inline bool is_bound_by_flow(const struct flow *flow, const struct packet *packet)
{
	return flow && flow->bound_epoch == packet->epoch &&
	       same_mac(flow->local_mac, packet->source_mac);
}

static __always_inline void remember_binding(struct flow *flow, const struct packet *packet)
{
	if (!flow)
		return;
	__builtin_memcpy(flow->local_mac, packet->source_mac, 6);
	flow->bound_epoch = packet->epoch;
	flow->held_epoch = packet->epoch;
}

static __always_inline int judge_arp(struct __sk_buff *skb, struct port_entry *port,
				     struct packet *packet)
{
	int step = bind_arp(port, packet);

	if (step != CONTINUE)
		return step;
	return port->flags & PORT_VIRTUAL_IPS ? announce_arp(skb, port, packet) : ALLOW;
}

/* Virtual IPs of the network: the part of the binding that depends on the owner, and claims. */
static __always_inline int judge_virtual_ips(struct __sk_buff *skb, struct port_entry *port,
					     struct packet *packet, int bound)
{
	int step;

	if (bound == ALLOW)
		return is_neighbour_discovery(packet) &&
				       packet->icmp_type == ND_NEIGHBOUR_ADVERTISEMENT ?
			       announce_neighbour(skb, port, packet) : ALLOW;
	step = judge_ownership(port, packet->source);
	if (step != CONTINUE)
		return step;
	if (packet->protocol == PROTOCOL_VRRP && packet->fragment == FRAGMENT_NONE)
		announce_vrrp(skb, port, packet);
	return CONTINUE;
}

static __always_inline int judge_session(struct __sk_buff *skb, struct port_entry *port,
					 struct packet *packet, struct scratch *scratch,
					 struct flow *flow, bool egress, __u64 now)
{
	if (packet->fragment == FRAGMENT_LATER)
		return judge_later_fragment(port, packet, scratch, egress, now);
	if (is_icmp_error(packet) && is_related(skb, port, packet, egress))
		return ALLOW;
	return judge_flow(port, packet, scratch, flow, egress, now);
}

__attribute__((noinline)) int judge_egress(struct __sk_buff *skb, struct port_entry *port,
					   struct packet *packet)
{
	struct scratch *scratch = find_scratch();
	struct flow *flow = NULL;
	__u64 now = bpf_ktime_get_coarse_ns();
	int step = CONTINUE;

	if (!port || !packet || !scratch)
		return DROP_INTERNAL_ERROR;
	if (packet->family == FAMILY_ARP)
		return judge_arp(skb, port, packet);
	flow_key_of(&scratch->key, port, packet, true);
	if (has_flow(packet))
		flow = find_flow(&scratch->key, now);
	if (rogue(packet) != CONTINUE || !is_bound_by_flow(flow, packet)) {
		step = bind_ip(skb, port, packet);
		if (step == CONTINUE)
			remember_binding(flow, packet);
	}
	if (port->flags & PORT_VIRTUAL_IPS && step <= ALLOW)
		step = judge_virtual_ips(skb, port, packet, step);
	if (step == CONTINUE)
		step = judge_session(skb, port, packet, scratch, flow, true, now);
	return remember_fragment(port, packet, scratch, true, step);
}

/* What of ours the frame is from: enum forwarding_flag, or 0. */
static __always_inline __u32 service_of(const struct port_entry *port,
					const struct packet *packet)
{
	struct forwarding_key key = { .network = port->network };
	struct forwarding_entry *entry;

	__builtin_memcpy(key.mac, packet->source_mac, 6);
	entry = bpf_map_lookup_elem(&forwarding, &key);
	return entry ? entry->flags & (FORWARDING_DHCP | FORWARDING_ROUTER) : 0;
}

/* What keeps the network going is not for groups to judge. A router also carries what others say:
 * with its MAC, but never with a hop limit of 255, and never as an answer of our DHCP server.
 */
static __always_inline int judge_service(const struct port_entry *port,
					 const struct packet *packet)
{
	__u8 type = packet->icmp_type;

	if (is_icmpv6(packet)) {
		if (is_neighbour_discovery(packet) || is_mld(packet))
			return ALLOW;
		if (type == ND_ROUTER_ADVERTISEMENT || type == ND_REDIRECT)
			return packet->hop_limit == ND_HOP_LIMIT && service_of(port, packet) ?
				       ALLOW : DROP_ROGUE_ROUTER_ADVERTISEMENT;
	}
	if ((is_udp(packet, FAMILY_IPV4, 67, 68) || is_udp(packet, FAMILY_IPV6, 547, 546)) &&
	    service_of(port, packet) & FORWARDING_DHCP)
		return ALLOW;
	return CONTINUE;
}

/* The bytes of the largest IP packet that this frame stands for; 0: one cannot say. */
static __always_inline __u32 ip_bytes(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 headers = packet->upper - ETHERNET_BYTES;

	if (!skb->gso_size)
		return packet->length - ETHERNET_BYTES;
	if (packet->protocol == PROTOCOL_TCP)
		return headers + packet->tcp_bytes + skb->gso_size;
	return packet->protocol == PROTOCOL_UDP ? headers + 8 + skb->gso_size : 0;
}

/* Source and destination check: a frame for this guest is for an address of the port. */
static __always_inline int judge_destination(const struct port_entry *port,
					     const struct packet *packet, struct flow *flow)
{
	if (!(port->flags & PORT_CHECKED) || packet->destination_mac[0] & 1 ||
	    (flow && flow->held_epoch == packet->epoch))
		return CONTINUE;
	if (!holds(port, packet->family, packet->destination))
		return DROP_DESTINATION_NOT_OWN;
	if (flow)
		flow->held_epoch = packet->epoch;
	return CONTINUE;
}

/* `direct`: the frame does not take the bridge, which would check the MTU. */
__attribute__((noinline)) int judge_ingress(struct __sk_buff *skb, struct port_entry *port,
					    struct packet *packet, int direct)
{
	struct scratch *scratch = find_scratch();
	struct flow *flow = NULL;
	__u64 now = bpf_ktime_get_coarse_ns();
	int step;

	if (!port || !packet || !scratch)
		return DROP_INTERNAL_ERROR;
	if (packet->family == FAMILY_ARP)
		return ALLOW;
	step = judge_service(port, packet);
	if (step == CONTINUE && port->flags & PORT_VIRTUAL_IPS)
		step = judge_ownership(port, packet->destination);
	if (step == CONTINUE) {
		flow_key_of(&scratch->key, port, packet, false);
		if (has_flow(packet))
			flow = find_flow(&scratch->key, now);
		step = judge_destination(port, packet, flow);
	}
	if (step == CONTINUE && direct && ip_bytes(skb, packet) > port->mtu)
		step = DROP_MTU_EXCEEDED;
	if (step == CONTINUE) {
		step = judge_session(skb, port, packet, scratch, flow, false, now);
	}
	return remember_fragment(port, packet, scratch, false, step);
}

#endif
