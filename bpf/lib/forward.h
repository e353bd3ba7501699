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

/* Whom a frame is for because of a virtual IP; port 0: the IP has no part in it. */
struct holder {
	__u32 port;
	__u32 ifindex;
	__u8 mac[6];
};

static __always_inline void hand_to(const struct virtual_ip_owner_locked *owner,
				    struct holder *holder)
{
	holder->port = owner->owner;
	holder->ifindex = owner->ifindex;
	__builtin_memcpy(holder->mac, owner->mac, 6);
}

/* The MAC of a virtual IP itself, which routers use: its owner is their next hop, at each packet.
 * False: nobody owns it now.
 */
static __always_inline bool find_next_hop(const struct port_entry *port,
					  const struct packet *packet, struct holder *holder)
{
	struct virtual_ip_owner_locked *owner;
	struct virtual_ip_key *virtual;

	if (!(port->flags & PORT_VIRTUAL_IPS))
		return true;
	virtual = find_virtual_mac(port->network, packet->destination_mac);
	if (!virtual)
		return true;
	owner = bpf_map_lookup_elem(&vip_owners, virtual);
	if (!owner || !owner->owner)
		return false;
	hand_to(owner, holder);
	return true;
}

/* Within the network: to an owner with its claimed MAC, to others as the frame is. */
static __always_inline int forward_here(struct __sk_buff *skb, struct port_entry *port,
					struct packet *packet, int parsed, struct holder *holder)
{
	struct port_entry *receiver;

	if (!holder->port) {
		holder->ifindex = link_of_mac(port, packet);
		if (!holder->ifindex && !find_next_hop(port, packet, holder))
			return drop(skb, port->number, DIRECTION_EGRESS,
				    DROP_VIRTUAL_IP_NOT_OWNER);
	}
	if (!holder->ifindex || holder->ifindex == skb->ifindex)
		return TC_ACT_OK;
	if (holder->port && !same_mac(holder->mac, packet->destination_mac) &&
	    bpf_skb_store_bytes(skb, 0, holder->mac, 6, 0))
		return drop(skb, holder->port, DIRECTION_INGRESS, DROP_INTERNAL_ERROR);
	receiver = bpf_map_lookup_elem(&links, &holder->ifindex);
	if (!receiver || !(receiver->flags & PORT_PEER) || receiver->network != port->network ||
	    (holder->port && receiver->number != holder->port))
		return TC_ACT_OK;
	return deliver(skb, receiver, packet, parsed, holder->ifindex);
}

static __always_inline int forward(struct __sk_buff *skb, struct port_entry *port,
				   struct packet *packet, int parsed)
{
	struct virtual_ip_owner_locked *owner = NULL;
	struct port_entry *receiver = NULL;
	struct holder holder = {};
	struct way way = {};

	if (packet->destination_mac[0] & 1)
		return TC_ACT_OK;
	if (parsed == CONTINUE) {
		owner = owner_of(port, packet);
		if (owner)
			hand_to(owner, &holder);
		else
			receiver = find_routed(skb, port, packet, &way);
	}
	if (!receiver)
		return forward_here(skb, port, packet, parsed, &holder);
	if (!rewrite(skb, packet, &way))
		return drop(skb, receiver->number, DIRECTION_INGRESS, DROP_INTERNAL_ERROR);
	return deliver(skb, receiver, packet, parsed, way.ifindex);
}

#endif
