/* Every map that more than one program or a driver uses, pinned by its name.
 *
 * The classifier's own maps are in lib/classify.h. Sizes marked "settable" are changed by the
 * loader before the maps are made.
 */
#ifndef PORTLIGHT_MAPS_H
#define PORTLIGHT_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct port_entry);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} links SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, struct forwarding_key);
	__type(value, struct forwarding_entry);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} forwarding SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4194304);
	__type(key, struct binding_key);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} bindings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct virtual_ip_key);
	__type(value, struct virtual_ip);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} virtual_ips SEC(".maps");

/* The kernel finds a lock by its type, so the value is spelled with it here. */
struct virtual_ip_owner_locked {
	struct bpf_spin_lock lock;
	__u32 owner;
	__u32 ifindex;
	__u32 challenger;
	__u64 seen_at;
	__u64 taken_at;
	__u8 mac[6];
	__u16 priority;
	__u32 takes;
	__u32 pad;
};
_Static_assert(sizeof(struct virtual_ip_owner_locked) == sizeof(struct virtual_ip_owner), "owner");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct virtual_ip_key);
	__type(value, struct virtual_ip_owner_locked);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} vip_owners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct virtual_ip_member_key);
	__type(value, struct virtual_ip_member);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} vip_members SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct forwarding_key);
	__type(value, struct virtual_ip_key);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} virtual_macs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct forwarding_key);
	__type(value, struct router_leg);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} router_legs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1048576);
	__type(key, struct shortcut_key);
	__type(value, struct shortcut);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} routed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct virtual_ip_key);
	__type(value, struct station);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} stations SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 262144);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} claims SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1048576);
	__type(key, struct counter_key);
	__type(value, struct counter);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct mirror_source);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} mirror_sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct mirror_way_key);
	__type(value, struct mirror_way);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} mirror_ways SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1048576);
	__type(key, struct mirror_counter_key);
	__type(value, struct counter);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} mirror_counters SEC(".maps");

/* Settable. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct flow_key);
	__type(value, struct flow);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} flows SEC(".maps");

/* Settable. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct fragment_key);
	__type(value, struct fragment);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} fragments SEC(".maps");

#endif
