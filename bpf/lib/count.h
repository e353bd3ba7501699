/* Every frame is counted: per port, direction and reason. Drops leave their reason in skb->cb. */
#ifndef PORTLIGHT_COUNT_H
#define PORTLIGHT_COUNT_H

#include <linux/pkt_cls.h>

#include "../maps.h"
#include "packet.h"

static __always_inline void count_many(__u32 port, __u8 direction, __u8 reason, __u32 packets,
				       __u64 bytes)
{
	struct counter_key key = { .port = port, .direction = direction, .reason = reason };
	struct counter *counter = bpf_map_lookup_elem(&counters, &key);

	if (counter) {
		counter->packets += packets;
		counter->bytes += bytes;
	} else {
		struct counter first = { .packets = packets, .bytes = bytes };

		bpf_map_update_elem(&counters, &key, &first, BPF_ANY);
	}
}

static __always_inline void count(struct __sk_buff *skb, __u32 port, __u8 direction, __u8 reason)
{
	count_many(port, direction, reason, skb->gso_segs ? skb->gso_segs : 1, skb->len);
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
