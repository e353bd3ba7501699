/* What became of copies, per session, source and direction. docs/design/mirroring.md section 4 */
#ifndef PORTLIGHT_MIRROR_COUNT_H
#define PORTLIGHT_MIRROR_COUNT_H

#include "count.h"
#include "mirror_job.h"

static __always_inline void count_copies(const struct mirror_case *one, __u8 outcome,
					 __u32 packets, __u64 bytes)
{
	struct mirror_counter_key key = {
		.session = one->session,
		.port = one->port,
		.direction = one->direction,
		.outcome = outcome,
	};
	struct counter first = { .packets = packets, .bytes = bytes };
	struct counter *counter;

	if (!packets)
		return;
	counter = bpf_map_lookup_elem(&mirror_counters, &key);
	if (counter) {
		counter->packets += packets;
		counter->bytes += bytes;
	} else {
		bpf_map_update_elem(&mirror_counters, &key, &first, BPF_ANY);
	}
}

/* Count what became of an order, once: what nobody took has failed. */
__attribute__((noinline)) int settle_job(struct mirror_job *job)
{
	__u32 wanted, settled;

	if (!job)
		return 0;
	wanted = job->wanted;
	settled = job->copied + job->refused;
	job->wanted = 0;
	if (!wanted)
		return 0;
	count_copies(&job->one, MIRROR_COPIED, job->copied, job->copied_bytes);
	/* The copies of an order have one verdict: a refused one took nothing to the target. */
	if (job->copied)
		count_copies(&job->one, MIRROR_TRUNCATED, job->truncated, job->lost_bytes);
	count_copies(&job->one, MIRROR_REFUSED, job->refused, 0);
	if (job->repeated)
		count_many(job->judge, DIRECTION_INGRESS, job->verdict, job->repeated,
			   job->repeated_bytes);
	if (settled < wanted)
		count_copies(&job->one, MIRROR_FAILED, wanted - settled, 0);
	return 0;
}

#endif
