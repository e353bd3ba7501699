/* Virtual IPs: who owns an address now, and how a claim changes that. */
#ifndef PORTLIGHT_VIRTUAL_IP_H
#define PORTLIGHT_VIRTUAL_IP_H

#include "../maps.h"
#include "packet.h"

#define SILENCE_NS 3500000000ULL

/* One member says that it holds one address. */
struct claim {
	__u32 network;
	__u32 port;
	__u32 ifindex;
	__u8 address[16];
	__u8 mac[6];
	__u8 port_mac[6];
	__u16 priority; /* of VRRP */
	__u8 kind; /* enum claim_kind */
	__u8 is_announcement;
};

static __always_inline struct virtual_ip_owner_locked *
find_owner(__u32 network, const __u8 *address)
{
	struct virtual_ip_key key = { .network = network };

	__builtin_memcpy(key.address, address, 16);
	return bpf_map_lookup_elem(&vip_owners, &key);
}

/* The virtual IP whose own MAC this is: what routers lead to it has it; NULL: none. */
static __always_inline struct virtual_ip_key *find_virtual_mac(__u32 network, const __u8 *mac)
{
	struct forwarding_key key = { .network = network };

	__builtin_memcpy(key.mac, mac, 6);
	return bpf_map_lookup_elem(&virtual_macs, &key);
}

static __always_inline struct virtual_ip_member *
find_member(__u32 network, __u32 port, const __u8 *address)
{
	struct virtual_ip_member_key key = { .network = network, .port = port };

	__builtin_memcpy(key.address, address, 16);
	return bpf_map_lookup_elem(&vip_members, &key);
}

/* A member that is not the owner now neither sends from the address nor receives for it. */
static __always_inline int judge_ownership(const struct port_entry *port, const __u8 *address)
{
	struct virtual_ip_owner_locked *state = find_owner(port->network, address);

	if (!state || !state->owner || state->owner == port->number)
		return CONTINUE;
	return find_member(port->network, port->number, address) ? DROP_VIRTUAL_IP_NOT_OWNER :
								   CONTINUE;
}

static __always_inline bool may_take(const struct virtual_ip *vip, const struct claim *claim,
				     const struct virtual_ip_owner_locked *state, __u64 now)
{
	bool silent = !state->owner || (__s64)(now - state->seen_at) > (__s64)SILENCE_NS;

	switch (vip->policy) {
	case CLAIM_FROZEN:
		return vip->pinned_owner == claim->port;
	case CLAIM_LATEST:
		return silent || claim->is_announcement;
	case CLAIM_PRIORITY:
		return silent || (claim->kind == CLAIM_BY_VRRP && claim->priority > state->priority);
	default:
		return silent;
	}
}

static __always_inline void hold(struct virtual_ip_owner_locked *state, const struct claim *claim,
				 __u64 now)
{
	state->seen_at = now;
	state->ifindex = claim->ifindex;
	__builtin_memcpy(state->mac, claim->mac, 6);
	if (claim->kind == CLAIM_BY_VRRP)
		state->priority = claim->priority;
}

static __always_inline void take(struct virtual_ip_owner_locked *state, const struct claim *claim,
				 __u64 now)
{
	if (state->owner)
		state->challenger = state->owner;
	state->owner = claim->port;
	state->priority = 0;
	state->taken_at = now;
	state->takes++;
	hold(state, claim, now);
}

/* Frames to a claimed virtual MAC go to the claimer; the MAC of a port or service stays its own. */
static __always_inline void learn_mac(const struct claim *claim)
{
	struct forwarding_entry entry = { .ifindex = claim->ifindex, .flags = FORWARDING_LEARNED };
	struct forwarding_key key = { .network = claim->network };
	struct forwarding_entry *known;

	if (same_mac(claim->mac, claim->port_mac))
		return;
	__builtin_memcpy(key.mac, claim->mac, 6);
	known = bpf_map_lookup_elem(&forwarding, &key);
	if (known && (!(known->flags & FORWARDING_LEARNED) || known->ifindex == claim->ifindex))
		return;
	bpf_map_update_elem(&forwarding, &key, &entry, BPF_ANY);
}

static __always_inline void tell(const struct claim *claim, __u32 other, __u8 flags, __u64 now)
{
	struct claim_event *event = bpf_ringbuf_reserve(&claims, sizeof(*event), 0);

	/* A full buffer loses the event, not the state: the agent also reads `vip_owners`. */
	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	event->at = now;
	event->network = claim->network;
	event->port = claim->port;
	event->other = other;
	__builtin_memcpy(event->address, claim->address, 16);
	__builtin_memcpy(event->mac, claim->mac, 6);
	event->priority = claim->priority;
	event->kind = claim->kind;
	event->flags = flags;
	bpf_ringbuf_submit(event, 0);
}

/* Both announced at least twice within the silence, and each after the other. */
static __always_inline bool is_split(const struct claim *claim,
				     const struct virtual_ip_member *member, __u32 other, __u64 now)
{
	struct virtual_ip_member *rival;

	if (!other || other == claim->port ||
	    now - member->announced_before_at > SILENCE_NS)
		return false;
	rival = find_member(claim->network, other, claim->address);
	return rival && now - rival->announced_before_at <= SILENCE_NS &&
	       rival->announced_at >= member->announced_before_at;
}

/* ALLOW, or DROP_VIRTUAL_IP_NOT_OWNER when the claim is refused; who is no member claims nothing. */
__attribute__((noinline)) int judge_claim(struct claim *claim)
{
	struct virtual_ip_owner_locked *state;
	struct virtual_ip_key key = {};
	struct virtual_ip_member *member;
	struct virtual_ip *vip;
	__u64 now = bpf_ktime_get_ns();
	__u32 other;
	__u8 flags = 0;

	if (!claim)
		return ALLOW;
	key.network = claim->network;
	__builtin_memcpy(key.address, claim->address, 16);
	member = find_member(claim->network, claim->port, claim->address);
	vip = bpf_map_lookup_elem(&virtual_ips, &key);
	state = bpf_map_lookup_elem(&vip_owners, &key);
	if (!member || !vip || !state)
		return ALLOW;
	if (claim->kind == CLAIM_BY_VRRP && !is_no_mac(member->virtual_mac))
		__builtin_memcpy(claim->mac, member->virtual_mac, 6);
	if (claim->is_announcement) {
		member->announced_before_at = member->announced_at;
		member->announced_at = now;
	}

	bpf_spin_lock(&state->lock);
	other = state->owner;
	if (other == claim->port) {
		other = state->challenger;
		hold(state, claim, now);
	} else if (may_take(vip, claim, state, now)) {
		flags = CLAIM_ACCEPTED;
		take(state, claim, now);
	} else {
		flags = CLAIM_REFUSED;
		if (claim->is_announcement)
			state->challenger = claim->port;
	}
	bpf_spin_unlock(&state->lock);

	if (!(flags & CLAIM_REFUSED))
		learn_mac(claim);
	if (claim->is_announcement && is_split(claim, member, other, now))
		flags |= CLAIM_SPLIT_BRAIN;
	if (flags && (flags != CLAIM_REFUSED || claim->is_announcement))
		tell(claim, other, flags, now);
	return flags & CLAIM_REFUSED ? DROP_VIRTUAL_IP_NOT_OWNER : ALLOW;
}

#endif
