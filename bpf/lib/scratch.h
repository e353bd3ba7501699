/* Memory of one frame's way that would be too much for the stack, which all calls share.
 *
 * Linux counts each function's frame in steps of 32 bytes up to 512 for the longest chain of calls.
 * Nothing of it survives a frame: programs of tc run with softirqs off, so none interrupts another.
 */
#ifndef PORTLIGHT_SCRATCH_H
#define PORTLIGHT_SCRATCH_H

#include "packet.h"

struct scratch {
	struct packet packet;
	struct flow_key key; /* of the port that judges now */
	struct flow fresh; /* entry in the making */
	struct fragment_key fragment;
	struct binding_key binding;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* Linux 6.1 takes a map key from here, but not from memory that came as an argument: every judging
 * function looks it up for itself.
 */
static __always_inline struct scratch *find_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratches, &zero);
}

static __always_inline struct packet *begin_packet(__u32 epoch)
{
	struct scratch *scratch = find_scratch();

	if (!scratch)
		return NULL;
	__builtin_memset(&scratch->packet, 0, sizeof(scratch->packet));
	scratch->packet.epoch = epoch;
	return &scratch->packet;
}

#endif
