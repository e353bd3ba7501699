/* The memory image of a classifier, as dataplane/bpf/image.py encodes it and lib/classify.h reads it.
 *
 * An image is an array of 64-byte elements, little-endian:
 *   element 0      struct image_header
 *   element 1, 2   struct image_family of IPv4, of IPv6
 *   element 3 ...  blocks of 512 rule bits, the first one empty
 *   then           records of bit vectors: u64 summary, then one u32 block element per block
 *   then           per dimension: struct image_tree, the tree's levels, the interval records
 *   and            per family: its rules in order, four to an element
 * docs/design/classifier.md explains it.
 */
#ifndef PORTLIGHT_IMAGE_H
#define PORTLIGHT_IMAGE_H

#include <linux/types.h>

#define IMAGE_ELEMENT 64
#define IMAGE_LEVELS 8
#define IMAGE_BLOCKS 64 /* bits of a summary */
#define IMAGE_EMPTY_BLOCK 3 /* element */
#define IMAGE_FANOUT_NARROW 17
#define IMAGE_FANOUT_WIDE 5
#define MEMBER_GROUPS 64

struct image_header {
	__u32 magic;
	__u32 version;
	__u64 key; /* of the classifier; the programs do not read it, a restarted driver does */
	__u8 pad[48];
};
_Static_assert(sizeof(struct image_header) == IMAGE_ELEMENT, "image_header");

/* Dimensions are element numbers of a struct image_tree; 0: no rule constrains this dimension. */
struct image_family {
	__u32 rule_count;
	__u32 rules;
	__u32 pad0[2];
	__u32 service; /* keys: protocol << 16 | destination port, or ICMP type and code */
	__u32 source_port;
	__u32 remote;
	__u32 group;
	__u32 local;
	__u8 pad1[28];
};
_Static_assert(sizeof(struct image_family) == IMAGE_ELEMENT, "image_family");

struct image_tree {
	__u32 depth;
	__u32 records; /* element of the first interval's record number, 16 to an element */
	__u32 level[IMAGE_LEVELS]; /* root first */
	__u8 pad[24];
};
_Static_assert(sizeof(struct image_tree) == IMAGE_ELEMENT, "image_tree");

struct image_wide_key {
	__u64 low;
	__u64 high;
};

struct image_rule {
	__u64 label;
	__u8 action;
	__u8 flags;
	__u8 pad[6];
};
_Static_assert(sizeof(struct image_rule) == 16, "image_rule");

union image_element {
	struct image_family family;
	struct image_tree tree;
	__u64 words[8];
	__u32 halves[16];
	struct image_wide_key wide[4];
	struct image_rule rules[4];
};
_Static_assert(sizeof(union image_element) == IMAGE_ELEMENT, "image_element");

/* Who an address is: the groups that it is a member of. Exactly as many as `count`. */
struct member_key {
	__u32 scope;
	__u8 address[16]; /* IPv4 as v4-mapped */
};
_Static_assert(sizeof(struct member_key) == 20, "member_key");

struct member_groups {
	__u32 count;
	__u32 groups[MEMBER_GROUPS];
};
_Static_assert(sizeof(struct member_groups) == 260, "member_groups");

#endif
