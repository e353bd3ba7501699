/* classify() alone: the frame carries its input, and has room behind it for the answer.
 *
 * The frame holds an Ethernet header (test-run takes nothing shorter), then struct classify_input,
 * then struct classify_result.
 */
#include "../../bpf/lib/classify.h"
#include "../../bpf/maps.h" /* with it, loading the probe makes every map */

#include <linux/pkt_cls.h>

SEC("tc")
int classify_probe(struct __sk_buff *skb)
{
	struct classify_input in;
	struct classify_result out;

	if (bpf_skb_load_bytes(skb, 14, &in, sizeof(in)))
		return TC_ACT_SHOT;
	classify(&in, &out);
	if (bpf_skb_store_bytes(skb, 14 + sizeof(in), &out, sizeof(out), 0))
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

/* The frame carries a struct claim_event, which becomes an event. */
SEC("tc")
int claim_probe(struct __sk_buff *skb)
{
	struct claim_event *event = bpf_ringbuf_reserve(&claims, sizeof(*event), 0);

	if (!event)
		return TC_ACT_SHOT;
	if (bpf_skb_load_bytes(skb, 14, event, sizeof(*event))) {
		bpf_ringbuf_discard(event, 0);
		return TC_ACT_SHOT;
	}
	bpf_ringbuf_submit(event, 0);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
