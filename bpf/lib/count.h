/* Every frame is counted: per port, direction and reason. Drops leave their reason in skb->cb. */
#ifndef PORTLIGHT_COUNT_H
#define PORTLIGHT_COUNT_H

#include <linux/pkt_cls.h>

#include "../maps.h"
#include "packet.h"

static __always_inline void count(struct __sk_buff *skb, __u32 port, __u8 direction, __u8 reason)
{
	struct counter_key key = { .port = port, .direction = direction, .reason = reason };
	struct counter *counter = bpf_map_lookup_elem(&counters, &key);
	__u32 packets = skb->gso_segs ? skb->gso_segs : 1;

	if (counter) {
		counter->packets += packets;
		counter->bytes += skb->len;
	} else {
		struct counter first = { .packets = packets, .bytes = skb->len };

		bpf_map_update_elem(&counters, &key, &first, BPF_ANY);
	}
}

/* cb[0..2] tell a test run what was dropped, at which port and in which direction. */
static __always_inline int drop(struct __sk_buff *skb, __u32 port, __u8 direction, __u8 reason)
{
	count(skb, port, direction, reason);
	skb->cb[0] = reason;
	skb->cb[1] = port;
	skb->cb[2] = direction;
	return TC_ACT_SHOT;
}

#endif
