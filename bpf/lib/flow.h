/* Step 4: connection tracking. One entry per flow and port; made only by packets that rules allow.
 *
 * An entry is written when something changed or once a second, so that the established path only
 * reads. Rules are asked again when the epoch moved on since the entry was judged.
 */
#ifndef PORTLIGHT_FLOW_H
#define PORTLIGHT_FLOW_H

#include "../maps.h"
#include "packet.h"
#include "rules.h"
#include "scratch.h"

#define SECOND 1000000000ULL
#define REFRESH_NS SECOND

static __always_inline bool is_revoked(const struct flow *flow)
{
	return flow->flags & FLOW_REVOKED;
}

static __always_inline bool is_closing(const struct flow *flow)
{
	__u32 both = FLOW_FIN_EGRESS | FLOW_FIN_INGRESS;

	return flow->flags & FLOW_RST || (flow->flags & both) == both;
}

static __always_inline __u64 flow_life(const struct flow_key *key, const struct flow *flow)
{
	bool replied = flow->flags & FLOW_REPLIED;

	if (is_revoked(flow))
		return 120 * SECOND;
	switch (key->protocol) {
	case PROTOCOL_TCP:
		return (is_closing(flow) ? 10 : replied ? 432000 : 120) * SECOND;
	case PROTOCOL_UDP:
	case PROTOCOL_UDPLITE:
		return (replied ? 180 : 30) * SECOND;
	case PROTOCOL_SCTP:
	case PROTOCOL_DCCP:
		return (replied ? 3600 : 120) * SECOND;
	}
	if (key->protocol == (key->family == FAMILY_IPV4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6))
		return 30 * SECOND;
	return (replied ? 600 : 60) * SECOND;
}

/* The entry of a key while it lives. */
static __always_inline struct flow *find_flow(const struct flow_key *key, __u64 now)
{
	struct flow *flow = bpf_map_lookup_elem(&flows, key);

	/* Another CPU may have refreshed it after we read the clock: signed. */
	if (!flow || (__s64)(now - flow->seen_at) > (__s64)flow_life(key, flow))
		return NULL;
	return flow;
}

static __always_inline bool is_echo(const struct packet *packet)
{
	return is_icmp(packet) && packet->fragment != FRAGMENT_LATER &&
	       is_icmp_echo(packet->family, packet->icmp_type, packet->icmp_code);
}

static __always_inline void flow_key_of(struct flow_key *key, const struct port_entry *port,
					const struct packet *packet, bool egress)
{
	key->port = port->number;
	key->family = packet->family;
	key->protocol = packet->protocol;
	if (egress) {
		__builtin_memcpy(key->local, packet->source, 16);
		__builtin_memcpy(key->remote, packet->destination, 16);
		key->local_value = packet->source_value;
		key->remote_value = packet->destination_value;
	} else {
		__builtin_memcpy(key->local, packet->destination, 16);
		__builtin_memcpy(key->remote, packet->source, 16);
		key->local_value = packet->destination_value;
		key->remote_value = packet->source_value;
	}
	key->asker = is_echo(packet) ? echo_asker(packet->family, packet->icmp_type, egress) : 0;
	key->pad = 0;
}

/* Whether packets like this one have entries at all. */
static __always_inline bool has_flow(const struct packet *packet)
{
	return packet->fragment != FRAGMENT_LATER && (!is_icmp(packet) || is_echo(packet));
}

static __always_inline bool is_from_initiator(const struct flow *flow, bool egress)
{
	return !!(flow->flags & FLOW_INITIATOR_EGRESS) == egress;
}

static __always_inline bool is_opening(const struct packet *packet)
{
	return packet->protocol == PROTOCOL_TCP &&
	       (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* The rules changed since: does the initiator's direction still allow what opened the flow? */
static __always_inline void judge_flow_again(const struct port_entry *port,
					     const struct flow_key *key, struct flow *flow,
					     __u32 epoch)
{
	bool egress = flow->flags & FLOW_INITIATOR_EGRESS;

	if (flow->flags & FLOW_KEEP || rules_allow_flow(port, key, egress))
		__sync_fetch_and_and(&flow->flags, ~FLOW_REVOKED);
	else
		__sync_fetch_and_or(&flow->flags, FLOW_REVOKED);
	flow->epoch = epoch;
}

static __always_inline __u32 seen_flags(const struct packet *packet, bool egress)
{
	__u32 flags = 0;

	if (packet->tcp_flags & TCP_FIN)
		flags |= egress ? FLOW_FIN_EGRESS : FLOW_FIN_INGRESS;
	if (packet->tcp_flags & TCP_RST)
		flags |= FLOW_RST;
	return flags;
}

static __always_inline void refresh_flow(struct flow *flow, __u32 flags, __u64 now)
{
	if ((flow->flags & flags) != flags)
		__sync_fetch_and_or(&flow->flags, flags);
	if ((__s64)(now - flow->seen_at) >= (__s64)REFRESH_NS)
		flow->seen_at = now;
}

/* An echo reply opens nothing. */
static __always_inline bool is_unasked(const struct flow_key *key, bool egress)
{
	return key->asker && key->asker != (egress ? DIRECTION_EGRESS : DIRECTION_INGRESS);
}

static __always_inline int open_flow(const struct port_entry *port, const struct packet *packet,
				     struct scratch *scratch, bool egress, __u64 now)
{
	const struct classify_result *result = rules_for_packet(port, packet, egress);
	struct flow *fresh = &scratch->fresh;

	if (!result)
		return egress ? DROP_NO_EGRESS_RULE : DROP_NO_INGRESS_RULE;
	if (result->flags & RULE_STATELESS || !has_flow(packet) ||
	    is_unasked(&scratch->key, egress))
		return ALLOW;
	__builtin_memset(fresh, 0, sizeof(*fresh));
	fresh->seen_at = now;
	fresh->label = result->label;
	fresh->flags = seen_flags(packet, egress);
	fresh->epoch = packet->epoch;
	fresh->bound_epoch = packet->epoch - 1;
	fresh->held_epoch = packet->destination_mac[0] & 1 ? packet->epoch - 1 : packet->epoch;
	if (result->flags & RULE_KEEP)
		fresh->flags |= FLOW_KEEP;
	if (egress) {
		fresh->flags |= FLOW_INITIATOR_EGRESS;
		fresh->bound_epoch = packet->epoch;
		fresh->held_epoch = packet->epoch;
		__builtin_memcpy(fresh->local_mac, packet->source_mac, 6);
	}
	return bpf_map_update_elem(&flows, &scratch->key, fresh, BPF_ANY) ? DROP_INTERNAL_ERROR :
									      ALLOW;
}

/* Whether an entry (looked at under the present rules) decides about this packet. */
static __always_inline bool is_decided(const struct port_entry *port, const struct packet *packet,
				       const struct flow_key *key, struct flow *flow, bool egress)
{
	if (!flow || (is_opening(packet) && is_closing(flow)))
		return false;
	if (flow->epoch != packet->epoch)
		judge_flow_again(port, key, flow, packet->epoch);
	return !(is_revoked(flow) && is_opening(packet));
}

/* `flow` is the live entry, or NULL. Returns ALLOW or a reason. */
static __always_inline int judge_flow(const struct port_entry *port, const struct packet *packet,
				      struct scratch *scratch, struct flow *flow, bool egress,
				      __u64 now)
{
	__u32 flags;

	if (!is_decided(port, packet, &scratch->key, flow, egress))
		return open_flow(port, packet, scratch, egress, now);
	if (is_revoked(flow)) {
		refresh_flow(flow, 0, now);
		return DROP_FLOW_REVOKED;
	}
	flags = seen_flags(packet, egress);
	if (!is_from_initiator(flow, egress))
		flags |= FLOW_REPLIED;
	refresh_flow(flow, flags, now);
	return ALLOW;
}

#endif
