/* Later fragments follow the verdict on their first one, for 30 seconds. */
#ifndef PORTLIGHT_FRAGMENT_H
#define PORTLIGHT_FRAGMENT_H

#include "../maps.h"
#include "packet.h"
#include "scratch.h"

#define FRAGMENT_LIFE_NS 30000000000ULL

static __always_inline void fragment_key_of(struct fragment_key *key,
					    const struct port_entry *port,
					    const struct packet *packet, bool egress)
{
	key->port = port->number;
	key->identification = packet->identification;
	key->direction = egress ? DIRECTION_EGRESS : DIRECTION_INGRESS;
	key->family = packet->family;
	key->protocol = packet->fragment_protocol;
	key->pad = 0;
	__builtin_memcpy(key->source, packet->source, 16);
	__builtin_memcpy(key->destination, packet->destination, 16);
}

static __always_inline int judge_later_fragment(const struct port_entry *port,
						const struct packet *packet,
						struct scratch *scratch, bool egress, __u64 now)
{
	struct fragment *first;

	fragment_key_of(&scratch->fragment, port, packet, egress);
	first = bpf_map_lookup_elem(&fragments, &scratch->fragment);
	if (!first || (__s64)(now - first->allowed_at) > (__s64)FRAGMENT_LIFE_NS)
		return DROP_FRAGMENT_UNMATCHED;
	return ALLOW;
}

/* Pass a verdict on; an allowed first fragment is remembered on the way. */
static __always_inline int remember_fragment(const struct port_entry *port,
					     const struct packet *packet,
					     struct scratch *scratch, bool egress, int verdict)
{
	struct fragment value;

	if (verdict != ALLOW || packet->fragment != FRAGMENT_FIRST)
		return verdict;
	value.allowed_at = bpf_ktime_get_coarse_ns();
	fragment_key_of(&scratch->fragment, port, packet, egress);
	return bpf_map_update_elem(&fragments, &scratch->fragment, &value, BPF_ANY) ?
		       DROP_INTERNAL_ERROR : ALLOW;
}

#endif
