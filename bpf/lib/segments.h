/* Copies of the segments of a super-packet that must each be cut, without segmenting it.
 *
 * First each copy of a round is written down in memory: its outer headers, the headers that its
 * segment would carry, its piece of the payload. Then the clone is cut down to one small frame,
 * which becomes each copy in turn, in one write. All segments of a round are equally long: once it
 * is encapsulated, the kernel cuts a frame no more.
 */
#ifndef PORTLIGHT_SEGMENTS_H
#define PORTLIGHT_SEGMENTS_H

#include "encapsulate.h"

/* Of the inner frame: Ethernet, IP with options or extension headers, TCP with options. */
#define MOST_HEADERS 255
#define SMALL_PIECE (SMALL_SLOT - OUTER_BYTES - MOST_HEADERS - 1)
#define LARGE_PIECE (LARGE_SLOT - OUTER_BYTES - MOST_HEADERS - 1)

/* As much as Linux gives each CPU in one value. */
union segment_store {
	__u8 small[SMALL_SLOTS][SMALL_SLOT];
	__u8 large[LARGE_SLOTS][LARGE_SLOT];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, union segment_store);
} segment_stores SEC(".maps");

struct segment_walk {
	struct __sk_buff *skb;
	struct mirror_job *job;
	union segment_store *store;
	__u32 payload; /* of the whole super-packet */
	__u32 size; /* of the payload of a segment */
	__u32 keep; /* bytes of a frame that a copy keeps */
	__u32 piece; /* bytes of payload in each copy of this round */
	__u32 failed;
};

/* Bytes of payload of the segments of a round: they are equally long. */
static __always_inline __u32 payload_of_round(const struct segment_walk *walk)
{
	__u32 from = walk->job->first * walk->size;
	__u32 left = walk->payload > from ? walk->payload - from : 0;

	return left < walk->size ? left : walk->size;
}

static __always_inline __u16 folded(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* The IP header as this segment would carry it. */
static __always_inline void write_network(__u8 *frame, const struct segment_walk *walk,
					  __u32 segment, __u32 payload)
{
	__u32 bytes = walk->job->headers - ETHERNET_BYTES + payload;
	struct ipv4 *ip = (struct ipv4 *)(frame + ETHERNET_BYTES);
	__be16 length, identification;
	__u32 sum;

	if (walk->job->family == FAMILY_IPV6) {
		((struct ipv6 *)ip)->payload_bytes = bpf_htons(bytes - sizeof(struct ipv6));
		return;
	}
	length = bpf_htons(bytes);
	identification = bpf_htons(bpf_ntohs(ip->identification) + segment);
	/* RFC 1624: the header may have options, which stay as they are. */
	sum = (__u16)~ip->checksum;
	sum += (__u16)~ip->total_bytes + length;
	sum += (__u16)~ip->identification + identification;
	ip->total_bytes = length;
	ip->identification = identification;
	ip->checksum = ~folded(sum);
}

/* The TCP sequence number and flags, or the UDP length, of this segment. */
static __always_inline void write_transport(__u8 *upper, const struct segment_walk *walk,
					    __u32 segment, __u32 payload)
{
	bool is_last = (segment + 1) * walk->size >= walk->payload;
	__be32 *sequence = (__be32 *)(upper + 4);
	__u8 flags = upper[13];

	if (walk->job->protocol == PROTOCOL_UDP) {
		*(__be16 *)(upper + 4) = bpf_htons(sizeof(struct udp) + payload);
		return;
	}
	if (!is_last)
		flags &= ~(TCP_FIN | TCP_PSH);
	if (segment)
		flags &= ~TCP_CWR;
	*sequence = bpf_htonl(bpf_ntohl(*sequence) + segment * walk->size);
	upper[13] = flags;
}

/* Write down one copy in its slot, which has room for `most` bytes of payload. */
static __always_inline bool write_copy(__u8 *slot, struct segment_walk *walk, __u32 segment,
				       __u32 most)
{
	__u32 headers = walk->job->headers, upper = walk->job->upper, piece = walk->piece;
	__u32 payload = payload_of_round(walk), from = headers + segment * walk->size;
	__u32 kept = headers + piece < walk->keep ? headers + piece : walk->keep;

	OPAQUE(headers);
	OPAQUE(upper);
	OPAQUE(piece);
	if (!headers || headers > MOST_HEADERS || upper > MOST_HEADERS - 20 || piece > most ||
	    !load(walk->skb, 0, slot + OUTER_BYTES, headers))
		return false;
	if (piece && !load(walk->skb, from, slot + OUTER_BYTES + headers, piece))
		return false;
	fill_outer((struct outer *)slot, walk->job, kept);
	write_network(slot + OUTER_BYTES, walk, segment, payload);
	write_transport(slot + OUTER_BYTES + upper, walk, segment, payload);
	return true;
}

/* Both branches are bounded for the verifier. */
static long write_segment(__u32 index, struct segment_walk *walk)
{
	__u32 segment = walk->job->first + index;
	bool is_written = false;

	OPAQUE(index);
	if (walk->keep < SMALL_COPY) {
		if (index < SMALL_SLOTS)
			is_written = write_copy(walk->store->small[index], walk, segment,
						SMALL_PIECE);
	} else if (index < LARGE_SLOTS) {
		is_written = write_copy(walk->store->large[index], walk, segment, LARGE_PIECE);
	}
	walk->failed |= !is_written;
	return !is_written;
}

static __always_inline bool put_copy(struct segment_walk *walk, const __u8 *slot, __u32 most)
{
	__u32 bytes = OUTER_BYTES + walk->job->headers + walk->piece;

	OPAQUE(bytes);
	return bytes && bytes <= most && !bpf_skb_store_bytes(walk->skb, 0, slot, bytes, 0);
}

static long send_segment(__u32 index, struct segment_walk *walk)
{
	__u32 headers = walk->job->headers, frame = headers + payload_of_round(walk);
	__u32 kept = headers + walk->piece < walk->keep ? headers + walk->piece : walk->keep;
	bool is_put = false;

	OPAQUE(index);
	if (walk->keep < SMALL_COPY) {
		if (index < SMALL_SLOTS)
			is_put = put_copy(walk, walk->store->small[index], SMALL_SLOT);
	} else if (index < LARGE_SLOTS) {
		is_put = put_copy(walk, walk->store->large[index], LARGE_SLOT);
	}
	if (!is_put)
		return 1;
	if (kept < frame) {
		walk->job->truncated++;
		walk->job->lost_bytes += frame - kept;
	}
	bpf_clone_redirect(walk->skb, walk->job->way.ifindex, 0);
	return 0;
}

static __always_inline int copy_segments(struct __sk_buff *skb, struct mirror_job *job)
{
	__u32 zero = 0, payload, room, frame;
	struct segment_walk walk = {
		.skb = skb,
		.job = job,
		.size = skb->gso_size,
		.keep = kept_bytes(&job->way),
		.store = bpf_map_lookup_elem(&segment_stores, &zero),
	};

	if (!walk.store || !job->headers || job->headers > skb->len || !walk.size)
		return TC_ACT_SHOT;
	walk.payload = skb->len - job->headers;
	payload = payload_of_round(&walk);
	room = walk.keep > job->headers ? walk.keep - job->headers : 0;
	walk.piece = payload < room ? payload : room;
	bpf_loop(job->segments, write_segment, &walk, 0);
	/* All headers stay in the frame, even when copies keep less of them. */
	frame = job->headers + walk.piece;
	if (walk.failed || bpf_skb_change_tail(skb, frame, 0) || !encapsulate(skb, job, frame))
		return TC_ACT_SHOT;
	job->packets = 1;
	bpf_loop(job->segments, send_segment, &walk, 0);
	return TC_ACT_SHOT;
}

#endif
