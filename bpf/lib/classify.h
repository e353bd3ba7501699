/* Which rule of a classifier matches a packet first: bit vectors per dimension, intersected.
 *
 * The cost depends on the number of dimensions and on the logarithm of the number of rules, not on
 * the rules themselves. Nothing here drops or counts; a failed lookup is "no rule" and so closed.
 */
#ifndef PORTLIGHT_CLASSIFY_H
#define PORTLIGHT_CLASSIFY_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "../abi.h"
#include "image.h"

#ifndef MAX_CLASSIFIERS
#define MAX_CLASSIFIERS 65536
#endif
#ifndef MAX_MEMBERS
#define MAX_MEMBERS 1048576
#endif

struct image {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(union image_element));
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_CLASSIFIERS);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u64);
	__array(values, struct image);
} classifiers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_MEMBERS);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, struct member_key);
	__type(value, struct member_groups);
} members SEC(".maps");

/* Vectors that stand for the remote address are united: its prefixes' and its groups'. */
#define REMOTE_VECTORS (MEMBER_GROUPS + 1)
#define NO_RECORD 0xffffffff /* outside of every image: reads as an empty vector */
#define NO_MATCH 0xffffffff

struct classify_scratch {
	__u64 common[8];
	__u64 united[8];
	__u64 summary;
	__u32 service;
	__u32 source_port; /* 0: not constrained, as is `local` */
	__u32 local;
	__u32 remote_count; /* 0: not constrained */
	__u32 remote[REMOTE_VECTORS];
	__u32 match;
	struct member_key member;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct classify_scratch);
} classify_scratches SEC(".maps");

static __always_inline union image_element *image_at(void *image, __u32 element)
{
	return bpf_map_lookup_elem(image, &element);
}

/* Records are not aligned to elements, but their words are: word numbers count from the image's start. */
static __always_inline __u64 image_word(void *image, __u32 word)
{
	union image_element *element = image_at(image, word >> 3);

	return element ? element->words[word & 7] : 0;
}

static __always_inline __u32 image_half(void *image, __u32 half)
{
	union image_element *element = image_at(image, half >> 4);

	return element ? element->halves[half & 15] : NO_RECORD;
}

/* The highest bit, hidden from clang: it would turn the comparison back into a branch, and sixteen
 * branches to a node are 2^16 ways for the verifier.
 */
static __always_inline __u64 highest_bit(__u64 value)
{
	asm volatile("" : "+r"(value));
	return value >> 63;
}

/* Both of these count the separators that are below the key; with 32 bits, a - b is negative then. */
static __always_inline __u32 narrow_child(const union image_element *node, __u64 key)
{
	__u64 child = 0;

#pragma unroll
	for (int i = 0; i < 16; i++)
		child += highest_bit((__u64)node->halves[i] - key);
	return child;
}

static __always_inline __u64 is_below(__u64 a, __u64 b)
{
	return highest_bit((~a & b) | (~(a ^ b) & (a - b)));
}

static __always_inline __u32 wide_child(const union image_element *node, __u64 high, __u64 low)
{
	__u64 child = 0;

#pragma unroll
	for (int i = 0; i < 4; i++) {
		__u64 difference = node->wide[i].high ^ high;
		__u64 is_equal = highest_bit(difference | -difference) ^ 1;

		child += is_below(node->wide[i].high, high) |
			 (is_equal & is_below(node->wide[i].low, low));
	}
	return child;
}

/* Return the word number of the record for this key in the tree; NO_RECORD on failure. */
static __noinline __u32 narrow_record(void *image, __u32 at, __u32 key)
{
	union image_element *tree = image_at(image, at);
	__u32 index = 0;

	if (!tree)
		return NO_RECORD;
#pragma unroll
	for (int level = 0; level < 4; level++) {
		union image_element *node;

		if (level >= tree->tree.depth)
			break;
		node = image_at(image, tree->tree.level[level] + index);
		if (!node)
			return NO_RECORD;
		index = index * IMAGE_FANOUT_NARROW + narrow_child(node, key);
	}
	return image_half(image, tree->tree.records * 16 + index);
}

static __noinline __u32 wide_record(void *image, __u32 at, __u64 high, __u64 low)
{
	union image_element *tree = image_at(image, at);
	__u32 index = 0;

	if (!tree)
		return NO_RECORD;
#pragma unroll
	for (int level = 0; level < IMAGE_LEVELS; level++) {
		union image_element *node;

		if (level >= tree->tree.depth)
			break;
		node = image_at(image, tree->tree.level[level] + index);
		if (!node)
			return NO_RECORD;
		index = index * IMAGE_FANOUT_WIDE + wide_child(node, high, low);
	}
	return image_half(image, tree->tree.records * 16 + index);
}

/* Add the vectors of the groups that the remote address is a member of. */
static __noinline void add_groups(void *image, struct classify_scratch *scratch, __u32 tree)
{
	struct member_groups *groups = bpf_map_lookup_elem(&members, &scratch->member);
	__u32 count = groups ? groups->count : 0;

	for (__u32 i = 0; i < MEMBER_GROUPS && i < count; i++) {
		__u32 record = narrow_record(image, tree, groups->groups[i]);
		__u32 place = scratch->remote_count;

		if (place >= REMOTE_VECTORS || !image_word(image, record))
			continue;
		scratch->remote[place] = record;
		scratch->remote_count = place + 1;
	}
}

/* Where a vector's block is: behind the summary, a record has the element number of each block. */
static __always_inline __u32 block_place(void *image, __u32 record, __u32 block)
{
	return image_half(image, record * 2 + 2 + block);
}

static __always_inline bool intersect(void *image, __u64 *common, __u32 record, __u32 block)
{
	union image_element *bits = image_at(image, block_place(image, record, block));

	if (!bits)
		return false;
#pragma unroll
	for (int i = 0; i < 8; i++)
		common[i] &= bits->words[i];
	return true;
}

static __always_inline bool is_empty(const __u64 *words)
{
	return !(words[0] | words[1] | words[2] | words[3] | words[4] | words[5] | words[6] | words[7]);
}

static __noinline bool intersect_remote(void *image, struct classify_scratch *scratch, __u32 block)
{
#pragma unroll
	for (int i = 0; i < 8; i++)
		scratch->united[i] = 0;
	for (__u32 r = 0; r < REMOTE_VECTORS && r < scratch->remote_count; r++) {
		__u32 place = block_place(image, scratch->remote[r], block);
		union image_element *bits;

		if (place == IMAGE_EMPTY_BLOCK)
			continue;
		bits = image_at(image, place);
		if (!bits)
			return false;
#pragma unroll
		for (int i = 0; i < 8; i++)
			scratch->united[i] |= bits->words[i];
	}
#pragma unroll
	for (int i = 0; i < 8; i++)
		scratch->common[i] &= scratch->united[i];
	return true;
}

/* Number of the lowest bit that is set, by counting the ones below it; 64 for 0.
 * clang 14 for BPF crashes on __builtin_ctzll in the walk below (DAG selection, "constrainRegClass"),
 * clang 18 on finding the same operation behind this sum ("unimplemented opcode"): hide it.
 */
static __always_inline __u32 lowest_bit(__u64 bits)
{
	__u64 below = (bits & -bits) - 1;

	below -= below >> 1 & 0x5555555555555555;
	below = (below & 0x3333333333333333) + (below >> 2 & 0x3333333333333333);
	below = (below + (below >> 4)) & 0x0f0f0f0f0f0f0f0f;
	barrier_var(below);
	return below * 0x0101010101010101 >> 56;
}

struct classify_walk {
	void *image;
	struct classify_scratch *scratch;
};

/* Intersect the first block that is left in the summary; stop at a match or when none is left. */
static long visit_block(__u32 index, struct classify_walk *walk)
{
	struct classify_scratch *scratch = walk->scratch;
	void *image = walk->image;
	__u32 block;

	if (!scratch->summary)
		return 1;
	block = lowest_bit(scratch->summary);
	scratch->summary &= scratch->summary - 1;
#pragma unroll
	for (int i = 0; i < 8; i++)
		scratch->common[i] = ~0ULL;
	if (!intersect(image, scratch->common, scratch->service, block))
		return 1;
	if (scratch->source_port && !intersect(image, scratch->common, scratch->source_port, block))
		return 1;
	if (scratch->local && !intersect(image, scratch->common, scratch->local, block))
		return 1;
	if (is_empty(scratch->common))
		return 0;
	if (scratch->remote_count && !intersect_remote(image, scratch, block))
		return 1;
#pragma unroll
	for (int i = 0; i < 8; i++) {
		if (!scratch->common[i])
			continue;
		scratch->match = block * 512 + i * 64 + lowest_bit(scratch->common[i]);
		return 1;
	}
	return 0;
}

static __always_inline __u32 address_record(void *image, __u32 tree, __u8 family, const __u8 *address)
{
	const __be32 *words = (const __be32 *)address;
	__u32 low = bpf_ntohl(words[3]);

	if (family == FAMILY_IPV4)
		return narrow_record(image, tree, low);
	return wide_record(image, tree, (__u64)bpf_ntohl(words[0]) << 32 | bpf_ntohl(words[1]),
			   (__u64)bpf_ntohl(words[2]) << 32 | low);
}

static __always_inline bool has_ports(__u8 protocol)
{
	return protocol == 6 || protocol == 17 || protocol == 132 || protocol == 33 || protocol == 136;
}

/* An IPv6 packet from ::ffff:a.b.c.d is not from the member a.b.c.d. */
static __always_inline bool is_mapped(const struct classify_input *in)
{
	const __be32 *words = (const __be32 *)in->remote;

	return in->family == FAMILY_IPV6 && !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

/* Find the record of each dimension that a rule constrains, and which blocks they have in common. */
static __always_inline void find_vectors(void *image, const union image_element *head,
					 const struct classify_input *in,
					 struct classify_scratch *scratch)
{
	__u32 value = has_ports(in->protocol) ? in->destination_port : in->icmp;
	__u64 remote;

	scratch->source_port = 0;
	scratch->local = 0;
	scratch->remote_count = 0;
	scratch->service = narrow_record(image, head->family.service,
					 (__u32)in->protocol << 16 | value);
	scratch->summary = image_word(image, scratch->service);
	if (head->family.source_port) {
		scratch->source_port = narrow_record(image, head->family.source_port, in->source_port);
		scratch->summary &= image_word(image, scratch->source_port);
	}
	if (head->family.local) {
		scratch->local = address_record(image, head->family.local, in->family, in->local);
		scratch->summary &= image_word(image, scratch->local);
	}
	if (!head->family.remote || !scratch->summary)
		return;
	scratch->remote[0] = address_record(image, head->family.remote, in->family, in->remote);
	scratch->remote_count = 1;
	if (head->family.group && !is_mapped(in)) {
		scratch->member.scope = in->scope;
		__builtin_memcpy(scratch->member.address, in->remote, sizeof(in->remote));
		add_groups(image, scratch, head->family.group);
	}
	remote = 0;
	for (__u32 r = 0; r < REMOTE_VECTORS && r < scratch->remote_count; r++)
		remote |= image_word(image, scratch->remote[r]);
	scratch->summary &= remote;
}

static __always_inline void report_rule(void *image, __u32 rules, __u32 match,
					struct classify_result *out)
{
	union image_element *element = image_at(image, rules + (match >> 2));

	if (!element)
		return;
	out->action = element->rules[match & 3].action;
	out->flags = element->rules[match & 3].flags;
	out->label = element->rules[match & 3].label;
}

/* Fill `out` with what the first matching rule says; ACTION_NONE when there is none. */
static __noinline int classify(struct classify_input *in, struct classify_result *out)
{
	struct classify_walk walk;
	union image_element *head;
	__u32 zero = 0;

	out->action = ACTION_NONE;
	out->flags = 0;
	out->label = 0;
	walk.image = bpf_map_lookup_elem(&classifiers, &in->classifier);
	if (!walk.image)
		return 0;
	walk.scratch = bpf_map_lookup_elem(&classify_scratches, &zero);
	head = image_at(walk.image, in->family == FAMILY_IPV4 ? 1 : 2);
	if (!walk.scratch || !head || !head->family.rule_count)
		return 0;
	find_vectors(walk.image, head, in, walk.scratch);
	walk.scratch->match = NO_MATCH;
	bpf_loop(IMAGE_BLOCKS, visit_block, &walk, 0);
	if (walk.scratch->match != NO_MATCH)
		report_rule(walk.image, head->family.rules, walk.scratch->match, out);
	return 0;
}

#endif
