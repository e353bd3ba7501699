/* Copies of the segments of a super-packet that must each be cut, without segmenting it.
 *
 * The pieces of payload that the copies keep are read first; then the clone is cut down to one
 * small frame, which becomes each copy in turn. All segments of a round are equally long: once it
 * is encapsulated, the kernel cuts a frame no more.
 */
#ifndef PORTLIGHT_SEGMENTS_H
#define PORTLIGHT_SEGMENTS_H

#include "encapsulate.h"

/* The pieces of one round of segments: as much as Linux gives each CPU in one value. */
union segment_store {
	__u8 small[SMALL_PIECES][SMALL_PIECE];
	__u8 large[LARGE_PIECES][LARGE_PIECE];
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
	__be32 sequence;
	__be16 identification;
	__u8 tcp_flags;
	__u8 failed;
};

static __always_inline __u32 payload_of(const struct segment_walk *walk, __u32 segment)
{
	__u32 from = segment * walk->size;
	__u32 left = walk->payload > from ? walk->payload - from : 0;

	return left < walk->size ? left : walk->size;
}

/* Bytes of payload in the copy of a segment. */
static __always_inline __u32 piece_of(const struct segment_walk *walk, __u32 segment)
{
	__u32 headers = walk->job->headers, payload = payload_of(walk, segment);
	__u32 room = walk->keep > headers ? walk->keep - headers : 0;

	return payload < room ? payload : room;
}

/* Copy a piece between the frame and the store. Both branches are bounded for the verifier. */
static __always_inline bool move_piece(struct segment_walk *walk, __u32 index, __u32 at,
				       __u32 bytes, bool read)
{
	__u8 *piece;

	OPAQUE(index);
	OPAQUE(bytes);
	if (walk->keep < SMALL_PIECE) {
		if (index >= SMALL_PIECES || !bytes || bytes > SMALL_PIECE)
			return false;
		piece = walk->store->small[index];
		return read ? !bpf_skb_load_bytes(walk->skb, at, piece, bytes) :
			      !bpf_skb_store_bytes(walk->skb, at, piece, bytes, 0);
	}
	if (index >= LARGE_PIECES || !bytes || bytes > LARGE_PIECE)
		return false;
	piece = walk->store->large[index];
	return read ? !bpf_skb_load_bytes(walk->skb, at, piece, bytes) :
		      !bpf_skb_store_bytes(walk->skb, at, piece, bytes, 0);
}

static long read_piece(__u32 index, struct segment_walk *walk)
{
	__u32 segment = walk->job->first + index, bytes = piece_of(walk, segment);

	if (!bytes ||
	    move_piece(walk, index, walk->job->headers + segment * walk->size, bytes, true))
		return 0;
	walk->failed = 1;
	return 1;
}

static __always_inline bool put(struct __sk_buff *skb, __u32 at, const void *value, __u32 bytes)
{
	return !bpf_skb_store_bytes(skb, at, value, bytes, 0);
}

/* The inner IP header as this segment would carry it. */
static __always_inline bool put_network(struct segment_walk *walk, __u32 segment)
{
	struct __sk_buff *skb = walk->skb;
	__u32 at = OUTER_BYTES + ETHERNET_BYTES, payload = payload_of(walk, segment);
	__u32 bytes = walk->job->headers - ETHERNET_BYTES + payload;
	struct ipv4 ip;
	__be16 length;
	__s64 sum;

	if (walk->job->family == FAMILY_IPV6) {
		length = bpf_htons(bytes - sizeof(struct ipv6));
		return put(skb, at + 4, &length, 2);
	}
	if (!load(skb, at, &ip, sizeof(ip)))
		return false;
	length = bpf_htons(bytes);
	/* RFC 1624: the header may have options, which stay as they are. */
	sum = (__u16)~ip.checksum + (__u16)~ip.total_bytes + length;
	ip.total_bytes = length;
	sum += (__u16)~ip.identification;
	ip.identification = bpf_htons(bpf_ntohs(walk->identification) + segment);
	sum += ip.identification;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip.checksum = ~sum;
	return put(skb, at, &ip, sizeof(ip));
}

/* The TCP sequence number and flags, or the UDP length, of this segment. */
static __always_inline bool put_transport(struct segment_walk *walk, __u32 segment)
{
	__u32 at = OUTER_BYTES + walk->job->upper;
	bool is_last = (segment + 1) * walk->size >= walk->payload;
	__u8 flags = walk->tcp_flags;
	__be32 sequence;
	__be16 bytes;

	if (walk->job->protocol == PROTOCOL_UDP) {
		bytes = bpf_htons(sizeof(struct udp) + payload_of(walk, segment));
		return put(walk->skb, at + 4, &bytes, 2);
	}
	if (!is_last)
		flags &= ~(TCP_FIN | TCP_PSH);
	if (segment)
		flags &= ~TCP_CWR;
	sequence = bpf_htonl(bpf_ntohl(walk->sequence) + segment * walk->size);
	return put(walk->skb, at + 4, &sequence, 4) && put(walk->skb, at + 13, &flags, 1);
}

static __always_inline bool put_outer_lengths(struct segment_walk *walk, __u32 inner_bytes)
{
	struct outer outer;

	fill_outer(&outer, walk->job, inner_bytes);
	return put(walk->skb, 0, &outer, sizeof(outer));
}

static long send_segment(__u32 index, struct segment_walk *walk)
{
	__u32 segment = walk->job->first + index, piece = piece_of(walk, segment);
	__u32 headers = walk->job->headers, frame = headers + payload_of(walk, segment);
	__u32 kept = headers + piece < walk->keep ? headers + piece : walk->keep;

	if (!put_network(walk, segment) || !put_transport(walk, segment) ||
	    !put_outer_lengths(walk, kept) ||
	    (piece && !move_piece(walk, index, OUTER_BYTES + headers, piece, false)))
		return 1;
	if (kept < frame) {
		walk->job->truncated++;
		walk->job->lost_bytes += frame - kept;
	}
	bpf_clone_redirect(walk->skb, walk->job->way.ifindex, 0);
	return 0;
}

/* What differs from segment to segment, as the first one has it. */
static __always_inline bool read_first(struct segment_walk *walk)
{
	struct mirror_job *job = walk->job;

	if (job->family == FAMILY_IPV4 && !load(walk->skb, ETHERNET_BYTES + 4, &walk->identification, 2))
		return false;
	if (job->protocol != PROTOCOL_TCP)
		return true;
	return load(walk->skb, job->upper + 4, &walk->sequence, 4) &&
	       load(walk->skb, job->upper + 13, &walk->tcp_flags, 1);
}

static __always_inline int copy_segments(struct __sk_buff *skb, struct mirror_job *job)
{
	__u32 zero = 0, longest;
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
	if (!read_first(&walk))
		return TC_ACT_SHOT;
	bpf_loop(job->segments, read_piece, &walk, 0);
	if (walk.failed)
		return TC_ACT_SHOT;
	/* All headers stay in the frame, even when copies keep less of them. */
	longest = job->headers + piece_of(&walk, job->first);
	if (bpf_skb_change_tail(skb, longest, 0) || !encapsulate(skb, job, longest))
		return TC_ACT_SHOT;
	job->packets = 1;
	bpf_loop(job->segments, send_segment, &walk, 0);
	return TC_ACT_SHOT;
}

#endif
