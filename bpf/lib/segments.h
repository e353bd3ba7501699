/* Copies of the segments of a super-packet that must each be cut, without a buffer for all of it.
 *
 * First, on the upper helper device, the piece of payload that each copy of a round keeps is written
 * down, and the clone goes on to be segmented by Linux. On the lower device the last of these
 * segments, a small frame in a small buffer, is the template: it is encapsulated and becomes each
 * copy in turn. The headers that the segment would carry and its piece are written over those of
 * the one before. All segments of a round are equally long, so that their outer headers are the
 * same.
 */
#ifndef PORTLIGHT_SEGMENTS_H
#define PORTLIGHT_SEGMENTS_H

#include "encapsulate.h"

/* Of the inner frame: Ethernet, IP with options or extension headers, TCP with options. */
#define MOST_HEADERS 255

/* About the bytes of payload in each of the segments that are made to get a template. */
#define SEGMENT_AIM 8192
/* Room at the front that a template inherits, so that its buffer stays at 1 KiB. */
#define RAISE_STEP 384
#define MOST_RAISES (65536 / RAISE_STEP)

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

/* What is known of a super-packet when it is segmented, and needed when its template comes by. */
struct segment_round {
	__u8 headers[MOST_HEADERS + 1]; /* inner, of the copy at hand */
	__u32 payload; /* of the whole super-packet */
	__u32 size; /* of the payload of a segment */
	__u32 keep; /* bytes of a frame that a copy keeps */
	__u32 piece; /* bytes of payload in each copy of this round */
	__u32 sum; /* of the IPv4 header without its identification */
	__u32 sequence; /* TCP, of the super-packet */
	__u16 identification; /* IPv4, of the super-packet */
	__u8 flags; /* TCP, of the super-packet */
	bool failed;
	__u32 template; /* bytes of the frame that becomes the copies */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct segment_round);
} segment_rounds SEC(".maps");

static __always_inline struct segment_round *find_round(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&segment_rounds, &zero);
}

struct segment_raise {
	struct __sk_buff *skb;
	__u32 left;
};

struct segment_walk {
	struct __sk_buff *skb;
	struct mirror_job *job;
	struct segment_round *round;
};

/* Bytes of payload of the segments of a round: they are equally long. */
static __always_inline __u32 payload_of_round(const struct segment_walk *walk)
{
	__u32 from = walk->job->first * walk->round->size;
	__u32 left = walk->round->payload > from ? walk->round->payload - from : 0;

	return left < walk->round->size ? left : walk->round->size;
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
	struct ipv4 *ip = (struct ipv4 *)(walk->round->headers + ETHERNET_BYTES);
	__be16 length = bpf_htons(bytes);

	if (walk->job->family == FAMILY_IPV6) {
		((struct ipv6 *)ip)->payload_bytes = bpf_htons(bytes - sizeof(struct ipv6));
		return;
	}
	/* RFC 1624: the header may have options, which stay as they are. */
	walk->round->sum = (__u16)~ip->checksum + (__u16)~ip->total_bytes + length +
		    (__u16)~ip->identification;
	walk->round->identification = bpf_ntohs(ip->identification);
	ip->total_bytes = length;
}

static __always_inline void begin_transport(struct segment_walk *walk, __u8 *upper, __u32 payload)
{
	if (walk->job->protocol == PROTOCOL_UDP) {
		*(__be16 *)(upper + 4) = bpf_htons(sizeof(struct udp) + payload);
		return;
	}
	walk->round->sequence = bpf_ntohl(*(__be32 *)(upper + 4));
	walk->round->flags = upper[13];
}

/* The IP identification, TCP sequence number and flags of this segment. */
static __always_inline void write_headers(struct segment_walk *walk, __u8 *upper, __u32 segment)
{
	struct ipv4 *ip = (struct ipv4 *)(walk->round->headers + ETHERNET_BYTES);
	__u8 flags = walk->round->flags;

	if (walk->job->family == FAMILY_IPV4) {
		ip->identification = bpf_htons(walk->round->identification + segment);
		ip->checksum = ~folded(walk->round->sum + ip->identification);
	}
	if (walk->job->protocol != PROTOCOL_TCP)
		return;
	if ((segment + 1) * walk->round->size < walk->round->payload)
		flags &= ~(TCP_FIN | TCP_PSH);
	if (segment)
		flags &= ~TCP_CWR;
	*(__be32 *)(upper + 4) = bpf_htonl(walk->round->sequence + segment * walk->round->size);
	upper[13] = flags;
}

/* The upper header among the headers, or NULL. */
static __always_inline __u8 *upper_of(const struct segment_walk *walk)
{
	__u32 upper = walk->job->upper;

	OPAQUE(upper);
	return upper > MOST_HEADERS - 20 ? NULL : walk->round->headers + upper;
}

/* Read the headers, once for a round. */
static __always_inline bool begin_headers(struct segment_walk *walk, __u32 payload)
{
	__u32 headers = walk->job->headers;
	__u8 *upper = upper_of(walk);

	OPAQUE(headers);
	if (!upper || !headers || headers > MOST_HEADERS ||
	    !load(walk->skb, 0, walk->round->headers, headers))
		return false;
	begin_network(walk, payload);
	begin_transport(walk, upper, payload);
	return true;
}

/* Write down, or put into the frame, the piece of one segment; `slot` has room for `most`. */
static __always_inline bool move_piece(const struct segment_walk *walk, __u8 *slot, __u32 most,
				       __u32 segment, bool put)
{
	__u32 headers = walk->job->headers, piece = walk->round->piece;

	OPAQUE(piece);
	if (!piece)
		return true;
	if (piece > most)
		return false;
	if (put)
		return !bpf_skb_store_bytes(walk->skb, OUTER_BYTES + headers, slot, piece, 0);
	return load(walk->skb, headers + segment * walk->round->size, slot, piece);
}

/* Both branches are bounded for the verifier. */
static __always_inline bool move_segment(const struct segment_walk *walk, __u32 index, bool put)
{
	bool is_small = walk->round->keep < SMALL_COPY;
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
	walk->round->failed |= !is_written;
	return !is_written;
}

/* Bytes of the inner frame in each copy of this round. */
static __always_inline __u32 kept_of_round(const struct segment_walk *walk)
{
	__u32 frame = walk->job->headers + walk->round->piece;

	return frame < walk->round->keep ? frame : walk->round->keep;
}

static long send_segment(__u32 index, struct segment_walk *walk)
{
	__u32 headers = walk->job->headers, frame = headers + payload_of_round(walk);
	__u32 kept = kept_of_round(walk);
	__u8 *upper = upper_of(walk);

	OPAQUE(index);
	OPAQUE(headers);
	if (!upper || !headers || headers > MOST_HEADERS)
		return 1;
	write_headers(walk, upper, walk->job->first + index);
	if (bpf_skb_store_bytes(walk->skb, OUTER_BYTES, walk->round->headers, headers, 0) ||
	    !move_segment(walk, index, true))
		return 1;
	if (kept < frame) {
		walk->job->truncated++;
		walk->job->lost_bytes += frame - kept;
	}
	bpf_clone_redirect(walk->skb, walk->job->way.ifindex, 0);
	return 0;
}

/* The frame is the template now. All headers stay in it, even when copies keep less: padding. */
static __always_inline int send_segments(struct segment_walk *walk)
{
	struct mirror_job *job = walk->job;

	if (bpf_skb_change_tail(walk->skb, job->headers + walk->round->piece, 0) ||
	    !encapsulate(walk->skb, job, kept_of_round(walk)))
		return TC_ACT_SHOT;
	job->packets = 1;
	bpf_loop(job->segments, send_segment, walk, 0);
	return TC_ACT_SHOT;
}

/* Raise gso_size by one step: what is taken at the front and given back adds to it. */
static long raise_size(__u32 index, struct segment_raise *raise)
{
	__u32 step = raise->left < RAISE_STEP ? raise->left : RAISE_STEP;

	OPAQUE(index);
	if (!step)
		return 1;
	raise->left -= step;
	return bpf_skb_adjust_room(raise->skb, step, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) ||
	       bpf_skb_adjust_room(raise->skb, -(__s32)step, BPF_ADJ_ROOM_MAC, 0);
}

/* Have the kernel make few segments, the last of them with next to no payload: the template. The
 * kernel can do so for TCP only; the last datagram of a UDP super-packet is the template as it is.
 */
static __always_inline void shape_template(struct segment_walk *walk)
{
	struct segment_round *round = walk->round;
	__u32 last = round->payload - 1, size = round->size;
	__u32 segments = last / SEGMENT_AIM + 1, most = size ? last / size : 0;
	struct segment_raise raise = { .skb = walk->skb };

	if (segments > most)
		segments = most;
	if (walk->job->protocol == PROTOCOL_TCP && segments) {
		raise.left = last / segments - round->size;
		bpf_loop(MOST_RAISES, raise_size, &raise, 0);
	}
	size = walk->skb->gso_size;
	round->template = walk->job->headers + (size ? last % size + 1 : 0);
}

/* On the upper device: a super-packet becomes segments, one of which is the template. */
static __always_inline int begin_segments(struct __sk_buff *skb, struct mirror_job *job)
{
	struct segment_walk walk = { .skb = skb, .job = job, .round = find_round() };
	struct segment_round *round = walk.round;
	__u32 payload, room;

	if (!round || !job->headers || job->headers >= skb->len)
		return TC_ACT_SHOT;
	round->size = skb->gso_size;
	round->keep = kept_bytes(&job->way);
	round->payload = skb->len - job->headers;
	round->failed = false;
	payload = payload_of_round(&walk);
	room = round->keep > job->headers ? round->keep - job->headers : 0;
	round->piece = payload < room ? payload : room;
	if (!begin_headers(&walk, payload))
		return TC_ACT_SHOT;
	bpf_loop(job->segments, write_segment, &walk, 0);
	if (round->failed)
		return TC_ACT_SHOT;
	shape_template(&walk);
	return TC_ACT_OK;
}

/* On the lower device: the segments of a super-packet come by, or a short one as it is. */
static __always_inline int take_template(struct __sk_buff *skb, struct mirror_job *job)
{
	struct segment_walk walk = { .skb = skb, .job = job, .round = find_round() };

	if (!walk.round || (!skb->gso_size && skb->len != walk.round->template))
		return TC_ACT_SHOT;
	walk.round->template = 0; /* once: datagrams may all be equally long */
	return send_segments(&walk);
}

static __always_inline int copy_segments(struct __sk_buff *skb, struct mirror_job *job)
{
	__u32 zero = 0;
	struct settings *present = bpf_map_lookup_elem(&settings, &zero);

	return present && skb->ifindex == present->mirror_ifindex ? begin_segments(skb, job) :
								    take_template(skb, job);
}

#endif
