/* Copies of the segments of a super-packet that must each be cut, without segmenting it.
 *
 * First the piece of payload that each copy of a round keeps is written down. Then the clone is cut
 * down to one small frame, encapsulated, and becomes each copy in turn: the headers that the segment
 * would carry and its piece are written over those of the one before. All segments of a round are
 * equally long, so that their outer headers are the same.
 */
#ifndef PORTLIGHT_SEGMENTS_H
#define PORTLIGHT_SEGMENTS_H

#include "encapsulate.h"

/* Of the inner frame: Ethernet, IP with options or extension headers, TCP with options. */
#define MOST_HEADERS 255

/* As much as Linux gives each CPU in one value. */
union segment_store {
	__u8 small[SMALL_SLOTS][SMALL_SLOT];
	__u8 large[LARGE_SLOTS][LARGE_SLOT];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SEGMENT_STORES);
	__type(key, __u32);
	__type(value, union segment_store);
} segment_stores SEC(".maps");

/* The inner headers of the copy at hand. */
struct segment_headers {
	__u8 bytes[MOST_HEADERS + 1];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct segment_headers);
} segment_headers SEC(".maps");

struct segment_walk {
	struct __sk_buff *skb;
	struct mirror_job *job;
	__u8 *headers;
	__u32 payload; /* of the whole super-packet */
	__u32 size; /* of the payload of a segment */
	__u32 keep; /* bytes of a frame that a copy keeps */
	__u32 piece; /* bytes of payload in each copy of this round */
	__u32 sum; /* of the IPv4 header without its identification */
	__u32 sequence; /* TCP, of the super-packet */
	__u16 identification; /* IPv4, of the super-packet */
	__u8 flags; /* TCP, of the super-packet */
	bool failed;
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

/* Write into the IP header what is the same for all segments of a round. */
static __always_inline void begin_network(struct segment_walk *walk, __u32 payload)
{
	__u32 bytes = walk->job->headers - ETHERNET_BYTES + payload;
	struct ipv4 *ip = (struct ipv4 *)(walk->headers + ETHERNET_BYTES);
	__be16 length = bpf_htons(bytes);

	if (walk->job->family == FAMILY_IPV6) {
		((struct ipv6 *)ip)->payload_bytes = bpf_htons(bytes - sizeof(struct ipv6));
		return;
	}
	/* RFC 1624: the header may have options, which stay as they are. */
	walk->sum = (__u16)~ip->checksum + (__u16)~ip->total_bytes + length +
		    (__u16)~ip->identification;
	walk->identification = bpf_ntohs(ip->identification);
	ip->total_bytes = length;
}

static __always_inline void begin_transport(struct segment_walk *walk, __u8 *upper, __u32 payload)
{
	if (walk->job->protocol == PROTOCOL_UDP) {
		*(__be16 *)(upper + 4) = bpf_htons(sizeof(struct udp) + payload);
		return;
	}
	walk->sequence = bpf_ntohl(*(__be32 *)(upper + 4));
	walk->flags = upper[13];
}

/* The IP identification, TCP sequence number and flags of this segment. */
static __always_inline void write_headers(struct segment_walk *walk, __u8 *upper, __u32 segment)
{
	struct ipv4 *ip = (struct ipv4 *)(walk->headers + ETHERNET_BYTES);
	__u8 flags = walk->flags;

	if (walk->job->family == FAMILY_IPV4) {
		ip->identification = bpf_htons(walk->identification + segment);
		ip->checksum = ~folded(walk->sum + ip->identification);
	}
	if (walk->job->protocol != PROTOCOL_TCP)
		return;
	if ((segment + 1) * walk->size < walk->payload)
		flags &= ~(TCP_FIN | TCP_PSH);
	if (segment)
		flags &= ~TCP_CWR;
	*(__be32 *)(upper + 4) = bpf_htonl(walk->sequence + segment * walk->size);
	upper[13] = flags;
}

/* The upper header among the headers, or NULL. */
static __always_inline __u8 *upper_of(const struct segment_walk *walk)
{
	__u32 upper = walk->job->upper;

	OPAQUE(upper);
	return upper > MOST_HEADERS - 20 ? NULL : walk->headers + upper;
}

/* Read the headers, once for a round. */
static __always_inline bool begin_headers(struct segment_walk *walk, __u32 payload)
{
	__u32 headers = walk->job->headers;
	__u8 *upper = upper_of(walk);

	OPAQUE(headers);
	if (!upper || !headers || headers > MOST_HEADERS ||
	    !load(walk->skb, 0, walk->headers, headers))
		return false;
	begin_network(walk, payload);
	begin_transport(walk, upper, payload);
	return true;
}

/* Write down, or put into the frame, the piece of one segment; `slot` has room for `most`. */
static __always_inline bool move_piece(const struct segment_walk *walk, __u8 *slot, __u32 most,
				       __u32 segment, bool put)
{
	__u32 headers = walk->job->headers, piece = walk->piece;

	OPAQUE(piece);
	if (!piece)
		return true;
	if (piece > most)
		return false;
	if (put)
		return !bpf_skb_store_bytes(walk->skb, OUTER_BYTES + headers, slot, piece, 0);
	return load(walk->skb, headers + segment * walk->size, slot, piece);
}

/* Both branches are bounded for the verifier. */
static __always_inline bool move_segment(const struct segment_walk *walk, __u32 index, bool put)
{
	bool is_small = walk->keep < SMALL_COPY;
	__u32 number = index / (is_small ? SMALL_SLOTS : LARGE_SLOTS);
	__u32 segment = walk->job->first + index;
	union segment_store *store = bpf_map_lookup_elem(&segment_stores, &number);

	if (!store)
		return false;
	if (is_small)
		return move_piece(walk, store->small[index % SMALL_SLOTS], SMALL_SLOT, segment, put);
	return move_piece(walk, store->large[index % LARGE_SLOTS], LARGE_SLOT, segment, put);
}

static long write_segment(__u32 index, struct segment_walk *walk)
{
	bool is_written;

	OPAQUE(index);
	is_written = move_segment(walk, index, false);
	walk->failed |= !is_written;
	return !is_written;
}

static long send_segment(__u32 index, struct segment_walk *walk)
{
	__u32 headers = walk->job->headers, frame = headers + payload_of_round(walk);
	__u32 kept = headers + walk->piece < walk->keep ? headers + walk->piece : walk->keep;
	__u8 *upper = upper_of(walk);

	OPAQUE(index);
	OPAQUE(headers);
	if (!upper || !headers || headers > MOST_HEADERS)
		return 1;
	write_headers(walk, upper, walk->job->first + index);
	if (bpf_skb_store_bytes(walk->skb, OUTER_BYTES, walk->headers, headers, 0) ||
	    !move_segment(walk, index, true))
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
		.headers = bpf_map_lookup_elem(&segment_headers, &zero),
	};

	if (!walk.headers || !job->headers || job->headers > skb->len || !walk.size)
		return TC_ACT_SHOT;
	walk.payload = skb->len - job->headers;
	payload = payload_of_round(&walk);
	room = walk.keep > job->headers ? walk.keep - job->headers : 0;
	walk.piece = payload < room ? payload : room;
	if (!begin_headers(&walk, payload))
		return TC_ACT_SHOT;
	bpf_loop(job->segments, write_segment, &walk, 0);
	/* All headers stay in the frame, even when copies keep less of them: padding. */
	frame = job->headers + walk.piece;
	if (walk.failed || bpf_skb_change_tail(skb, frame, 0) ||
	    !encapsulate(skb, job, frame < walk.keep ? frame : walk.keep))
		return TC_ACT_SHOT;
	job->packets = 1;
	bpf_loop(job->segments, send_segment, &walk, 0);
	return TC_ACT_SHOT;
}

#endif
