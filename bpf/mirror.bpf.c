/* tc ingress of the helper device: an order that lands, of which copies are made.
 * tc egress: a clone that becomes the copies of a round of segments. docs/design/mirroring.md section 3
 */
#include "lib/mirror_make.h"

SEC("tc")
int mirror(struct __sk_buff *skb)
{
	struct mirror_job *job = find_job(skb);

	/* Nobody but our own programs sends here. */
	if (!job)
		return TC_ACT_SHOT;
	return job->segments ? copy_segments(skb, job) : make_copies(skb, job);
}

char _license[] SEC("license") = "GPL";
