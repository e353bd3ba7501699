/* Which packets are copied, and the order for a copy. docs/design/mirroring.md, sections 1, 2, 4 */
#ifndef PORTLIGHT_MIRROR_H
#define PORTLIGHT_MIRROR_H

#include "mirror_queue.h"
#include "packet.h"
#include "rules.h"
#include "wire.h"

#define METADATA_ADDRESS 0xa9fea9fe
#define BURST_SHARE 10 /* of a second */
#define NANOSECONDS 1000000000ULL

struct mirror_budget_key {
	__u32 session;
	__u32 port;
	__u32 direction;
};

/* When the budget would be whole again, in time: a budget spent ahead lies in the future. */
struct mirror_budget {
	__u64 spent_until;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct mirror_budget_key);
	__type(value, struct mirror_budget);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} mirror_budgets SEC(".maps");

static __always_inline bool is_dhcp(const struct packet *packet)
{
	return is_udp(packet, FAMILY_IPV4, 68, 67) || is_udp(packet, FAMILY_IPV4, 67, 68) ||
	       is_udp(packet, FAMILY_IPV6, 546, 547) || is_udp(packet, FAMILY_IPV6, 547, 546);
}

/* An ICMP error about a copy: a target that does not listen would be copied its own complaints. */
static __always_inline bool is_about_copy(struct __sk_buff *skb, const struct packet *packet)
{
	struct ipv4 quoted;
	__u32 after;
	__be16 port;

	if (packet->family != FAMILY_IPV4 || packet->protocol != PROTOCOL_ICMP ||
	    packet->icmp_type != 3 || packet->fragment == FRAGMENT_LATER ||
	    packet->upper_bytes < 8 + sizeof(quoted) ||
	    !load(skb, packet->upper + 8, &quoted, sizeof(quoted)))
		return false;
	after = 8 + (quoted.version_length & 15) * 4;
	return quoted.protocol == PROTOCOL_UDP && packet->upper_bytes >= after + 4 &&
	       load(skb, packet->upper + after + 2, &port, 2) && port == bpf_htons(VXLAN_PORT);
}

static __always_inline bool may_be_mirrored(struct __sk_buff *skb, const struct packet *packet)
{
	if (packet->family == FAMILY_ARP || is_dhcp(packet) || is_about_copy(skb, packet))
		return false;
	return packet->family != FAMILY_IPV4 ||
	       (mapped_ipv4(packet->source) != bpf_htonl(METADATA_ADDRESS) &&
		mapped_ipv4(packet->destination) != bpf_htonl(METADATA_ADDRESS));
}

/* The same for both directions of a flow, so that a sensor's queues keep them together. */
static __always_inline __u16 outer_port(const struct packet *packet)
{
	const __u32 *a = (const __u32 *)packet->source, *b = (const __u32 *)packet->destination;
	__u32 hash = a[0] ^ b[0] ^ a[1] ^ b[1] ^ a[2] ^ b[2] ^ a[3] ^ b[3];

	hash ^= (packet->source_value ^ packet->destination_value) << 8 ^ packet->protocol;
	hash *= 0x9e3779b1;
	return 49152 + (hash >> 18);
}

/* Where the payload of a super-packet begins; 0: its segments cannot be told apart. */
static __always_inline __u32 headers_of(const struct packet *packet)
{
	if (packet->protocol == PROTOCOL_TCP)
		return packet->upper + packet->tcp_bytes;
	return packet->protocol == PROTOCOL_UDP ? packet->upper + 8 : 0;
}

/* The packets that a frame stands for. The kernel's own count is not kept right everywhere. */
static __always_inline __u32 packets_of(struct __sk_buff *skb, __u32 size, __u32 headers)
{
	if (!size)
		return 1;
	if (!headers || skb->len <= headers)
		return skb->gso_segs ? skb->gso_segs : 1;
	return (skb->len - headers + size - 1) / size;
}

/* Bytes of all copies of a packet, whole or cut, with what is put around them. */
static __always_inline __u32 bytes_of_copies(const struct mirror_way *way, __u32 bytes,
					     __u32 packets, __u32 largest)
{
	__u32 keep = kept_bytes(way);

	if (packets < 2)
		return OUTER_BYTES + (bytes < keep ? bytes : keep);
	return packets * OUTER_BYTES + (largest <= keep ? bytes : packets * keep);
}

static __always_inline bool is_within_budget(const struct mirror_case *one,
					     const struct mirror_way *way, __u32 bytes)
{
	struct mirror_budget_key key = {
		.session = one->session,
		.port = one->port,
		.direction = one->direction,
	};
	struct mirror_budget fresh, *budget;
	__u64 now, cost;

	if (!way->bytes_per_second)
		return true;
	now = bpf_ktime_get_ns();
	fresh.spent_until = now;
	cost = bytes * NANOSECONDS / way->bytes_per_second;
	budget = bpf_map_lookup_elem(&mirror_budgets, &key);
	if (!budget) {
		fresh.spent_until += cost;
		bpf_map_update_elem(&mirror_budgets, &key, &fresh, BPF_ANY);
		return true;
	}
	if (budget->spent_until < now)
		budget->spent_until = now;
	/* Two CPUs may both pass here: the budget is then exceeded by one packet. */
	if (budget->spent_until > now + NANOSECONDS / BURST_SHARE)
		return false;
	__sync_fetch_and_add(&budget->spent_until, cost);
	return true;
}

static __always_inline void write_order(struct mirror_job *job, const struct packet *packet,
					const struct mirror_case *one,
					const struct mirror_way *way, __u32 packets)
{
	job->one = *one;
	job->way = *way;
	job->headers = headers_of(packet);
	job->wanted = packets;
	job->packets = packets;
	job->upper = packet->upper;
	job->family = packet->family;
	job->protocol = packet->protocol;
	job->source_port = outer_port(packet);
}

/* Order the copy that a session wants, or count why there is none. */
__attribute__((noinline)) int order_copy(struct __sk_buff *skb, struct packet *packet,
					 struct mirror_case *one, int helper)
{
	__u32 packets, headers, size = skb->gso_size, bytes = skb->len;
	struct mirror_way_key key = {};
	struct mirror_way *way;
	struct mirror_job *job;
	struct mirror_queue *queue = find_queue();

	if (!packet || !one || !queue)
		return 0;
	headers = headers_of(packet);
	packets = packets_of(skb, size, headers);
	key.session = one->session;
	key.port = one->port;
	key.version = one->version;
	way = bpf_map_lookup_elem(&mirror_ways, &key);
	if (!way) {
		count_copies(one, MIRROR_NO_TARGET, packets, bytes);
		return 0;
	}
	if (!room_of(queue)) {
		ask_for_room(skb, queue, helper);
		count_copies(one, MIRROR_OVERLOAD, packets, bytes);
		return 0;
	}
	if (!is_within_budget(one, way, bytes_of_copies(way, bytes, packets, headers + size))) {
		count_copies(one, MIRROR_OVER_BUDGET, packets, bytes);
		return 0;
	}
	job = begin_order(queue);
	if (!job)
		return 0;
	write_order(job, packet, one, way, packets);
	if (!place_order(skb, queue, job, helper)) {
		job->wanted = 0;
		count_copies(one, MIRROR_OVERLOAD, packets, bytes);
	}
	return 0;
}

/* The classifiers of one direction and case. */
static __always_inline const __u64 *chains_of(const struct mirror_source *source, bool egress,
					      __u8 reason)
{
	if (reason)
		return egress ? source->dropped_egress : source->dropped_ingress;
	return egress ? source->egress : source->ingress;
}

/* Ask whether anybody wants a copy of this packet; `reason`: why the port drops it, or 0. */
__attribute__((noinline)) int mirror_packet(struct __sk_buff *skb, struct port_entry *port,
					    struct packet *packet, int egress, int reason)
{
	struct mirror_case one = { .reason = reason };
	struct rules_question *question;
	struct mirror_source *source;
	struct settings *present;
	__u32 zero = 0, number;

	if (!port || !packet || !may_be_mirrored(skb, packet))
		return 0;
	present = bpf_map_lookup_elem(&settings, &zero);
	number = port->number;
	source = bpf_map_lookup_elem(&mirror_sources, &number);
	if (!present || !present->mirror_ifindex || !source)
		return 0;
	one.port = number;
	one.direction = egress ? DIRECTION_EGRESS : DIRECTION_INGRESS;
	for (int chain = 0; chain < MIRROR_CHAINS; chain++) {
		__u64 classifier = chains_of(source, egress, reason)[chain];

		if (!classifier)
			break;
		question = question_of_packet(port, packet, egress, classifier);
		if (!question || match_rules(question) != ACTION_ALLOW)
			continue;
		one.session = question->result.label;
		one.version = question->result.label >> 32;
		order_copy(skb, packet, &one, present->mirror_ifindex);
	}
	return 0;
}

#endif
