/* tc egress of the helper device: a clone that becomes a copy. docs/design/mirroring.md section 3
 * tc ingress: a marker that lands.
 */
#include "lib/encapsulate.h"
#include "lib/mirror_queue.h"
#include "lib/segments.h"

SEC("tc")
int mirror(struct __sk_buff *skb)
{
	struct mirror_job *job = find_job();

	if (is_marker(skb)) {
		land_marker(skb);
		return TC_ACT_SHOT;
	}
	/* Nobody but our own programs sends here. */
	if (!job || !job->active)
		return TC_ACT_SHOT;
	return job->segments ? copy_segments(skb, job) : copy_frame(skb, job);
}

char _license[] SEC("license") = "GPL";
