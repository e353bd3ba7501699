/* Step 5: to whom the frame goes. A guest on this host gets it without the bridge. (from_port) */
#ifndef PORTLIGHT_FORWARD_H
#define PORTLIGHT_FORWARD_H

#include "count.h"
#include "judge.h"
#include "mirror.h"
#include "packet.h"
#include "route.h"
#include "virtual_ip.h"

#define PACKET_HOST 0

/* The link for the destination MAC; 0: the bridge knows. */
static __always_inline __u32 link_of_mac(const struct port_entry *port,
					 const struct packet *packet)
{
	struct forwarding_key key = { .network = port->network };
	struct forwarding_entry *entry;

	__builtin_memcpy(key.mac, packet->destination_mac, 6);
	entry = bpf_map_lookup_elem(&forwarding, &key);
	return entry ? entry->ifindex : 0;
}

/* Packets to an owned virtual IP go to its owner, whatever MAC the sender's cache says. */
static __always_inline struct virtual_ip_owner_locked *
owner_of(const struct port_entry *port, const struct packet *packet)
{
	struct virtual_ip_owner_locked *state;

	if (!(port->flags & PORT_VIRTUAL_IPS) || packet->family == FAMILY_ARP)
		return NULL;
	state = find_owner(port->network, packet->destination);
	return state && state->owner && state->owner != port->number ? state : NULL;
}

/* The frame is for the guest behind `ifindex`: judge it there, and hand it over. */
static __always_inline int deliver(struct __sk_buff *skb, struct port_entry *receiver,
				   struct packet *packet, int parsed, __u32 ifindex)
{
	int step = ALLOW;

	if (!(receiver->flags & PORT_UP))
		step = DROP_PORT_DOWN;
	else if (receiver->flags & PORT_SECURED)
		step = parsed == CONTINUE ? judge_ingress(skb, receiver, packet, true) : parsed;
	if (receiver->flags & PORT_MIRRORED && parsed == CONTINUE)
		mirror_packet(skb, receiver, packet, false, step);
	if (step != ALLOW)
		return drop(skb, receiver->number, DIRECTION_INGRESS, step);
	count(skb, receiver->number, DIRECTION_INGRESS, DROP_NONE);
	/* The kernel compared the MAC with the host end's and found it foreign. */
	if (skb->pkt_type != PACKET_HOST)
		bpf_skb_change_type(skb, PACKET_HOST);
	return bpf_redirect_peer(ifindex, 0);
}

/* The link to whoever owns the virtual IP; 0: nobody else does. */
static __always_inline __u32 link_of_owner(const struct port_entry *port,
					   const struct packet *packet, __u32 *number, __u8 *mac)
{
	struct virtual_ip_owner_locked *owner = owner_of(port, packet);

	if (!owner)
		return 0;
	*number = owner->owner;
	__builtin_memcpy(mac, owner->mac, 6);
	return owner->ifindex;
}

static __always_inline int forward(struct __sk_buff *skb, struct port_entry *port,
				   struct packet *packet, int parsed)
{
	struct port_entry *receiver = NULL;
	struct way way = {};
	__u32 number = 0;
	__u8 mac[6] = {};

	if (packet->destination_mac[0] & 1)
		return TC_ACT_OK;
	if (parsed == CONTINUE) {
		way.ifindex = link_of_owner(port, packet, &number, mac);
		if (!number)
			receiver = find_routed(skb, port, packet, &way);
	}
	if (receiver) {
		if (!rewrite(skb, packet, &way))
			return drop(skb, receiver->number, DIRECTION_INGRESS,
				    DROP_INTERNAL_ERROR);
		return deliver(skb, receiver, packet, parsed, way.ifindex);
	}
	if (!number)
		way.ifindex = link_of_mac(port, packet);
	if (!way.ifindex || way.ifindex == skb->ifindex)
		return TC_ACT_OK;
	receiver = bpf_map_lookup_elem(&links, &way.ifindex);
	if (!receiver || !(receiver->flags & PORT_PEER) || receiver->network != port->network ||
	    (number && receiver->number != number))
		return TC_ACT_OK;
	if (number && !same_mac(mac, packet->destination_mac) &&
	    bpf_skb_store_bytes(skb, 0, mac, 6, 0))
		return drop(skb, receiver->number, DIRECTION_INGRESS, DROP_INTERNAL_ERROR);
	return deliver(skb, receiver, packet, parsed, way.ifindex);
}

#endif
