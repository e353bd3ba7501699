/* What the programs and the Python drivers agree on: keys, values and numbers of every map.
 *
 * Rules: fixed widths, explicit padding that is always zero, `__be` for wire order, everything else
 * in host order. An IPv4 address is held as an IPv4-mapped IPv6 address (::ffff:a.b.c.d). Times are
 * nanoseconds of CLOCK_MONOTONIC. `dataplane/bpf/abi.py` mirrors this file; tests/abi compares them.
 */
#ifndef PORTLIGHT_ABI_H
#define PORTLIGHT_ABI_H

#include <linux/types.h>

#define FAMILY_IPV4 4
#define FAMILY_IPV6 6

/* The port's view: egress is what its guest sends. */
enum direction {
	DIRECTION_EGRESS = 1,
	DIRECTION_INGRESS = 2,
};

/* Mirrors values.verdict.DropReason. 0 in a counter key means: allowed. */
enum drop_reason {
	DROP_NONE = 0,
	DROP_PORT_UNKNOWN = 1,
	DROP_PORT_DOWN = 2,
	DROP_MALFORMED = 3,
	DROP_VLAN_TAGGED = 4,
	DROP_ETHERTYPE_REFUSED = 5,
	DROP_SPOOFED_MAC = 6,
	DROP_SPOOFED_IPV4 = 7,
	DROP_SPOOFED_IPV6 = 8,
	DROP_SPOOFED_ARP = 9,
	DROP_SPOOFED_ND = 10,
	DROP_ROGUE_DHCP_SERVER = 11,
	DROP_ROGUE_ROUTER_ADVERTISEMENT = 12,
	DROP_NO_EGRESS_RULE = 13,
	DROP_NO_INGRESS_RULE = 14,
	DROP_FLOW_REVOKED = 15,
	DROP_FRAGMENT_UNMATCHED = 16,
	DROP_MTU_EXCEEDED = 17,
	DROP_VIRTUAL_IP_NOT_OWNER = 18,
	DROP_INTERNAL_ERROR = 19,
	DROP_DESTINATION_NOT_OWN = 20,
	/* What routers drop: nftables counts it, no program does. */
	DROP_NO_ROUTE = 21,
	DROP_ROUTE_BLACKHOLE = 22,
	DROP_NOT_TRANSLATED = 23,
};

/* Map `settings`, one element. Writers change maps first and add 1 to the epoch afterwards. */
struct settings {
	__u32 epoch;
	__u32 mirror_ifindex;	/* of the device on whose egress copies are made; 0: no mirroring */
};
_Static_assert(sizeof(struct settings) == 8, "settings");

enum port_flag {
	PORT_UP = 1,		/* administratively up: the port and its network */
	PORT_SECURED = 2,	/* source binding and groups */
	PORT_VIRTUAL_IPS = 4,	/* the network has virtual IPs; without it they cost nothing */
	PORT_PEER = 8,		/* the link is a veth: frames may go straight into the guest */
	PORT_MIRRORED = 16,	/* the port has an entry in mirror_sources */
	PORT_CHECKED = 32,	/* source and destination check */
};

/* Map `links`: ifindex (__u32) of the host end -> its port. */
struct port_entry {
	__u64 egress;		/* key of a classifier; 0 matches nothing */
	__u64 ingress;
	__u32 number;
	__u32 network;
	__u32 scope;
	__u32 mtu;		/* of the guest's interface, in IP bytes */
	__u8 mac[6];
	__u16 flags;		/* enum port_flag */
};
_Static_assert(sizeof(struct port_entry) == 40, "port_entry");

enum forwarding_flag {
	FORWARDING_DHCP = 1,	/* our DHCP server: it may send what guests must not */
	FORWARDING_LEARNED = 2,	/* virtual MAC, written by from_port on an accepted claim */
	FORWARDING_ROUTER = 4,	/* a router of ours: it may advertise itself */
};

/* Map `forwarding`: where a MAC of a network lives on this host. */
struct forwarding_key {
	__u32 network;
	__u8 mac[6];
	__u16 pad;
};
_Static_assert(sizeof(struct forwarding_key) == 12, "forwarding_key");

struct forwarding_entry {
	__u32 ifindex;		/* host end of the link */
	__u32 flags;		/* enum forwarding_flag */
};
_Static_assert(sizeof(struct forwarding_entry) == 8, "forwarding_entry");

/* Map `router_legs`: the MAC of a router in a network (struct forwarding_key) -> what its packets
 * from there follow.
 */
struct router_leg {
	__u32 table;
};
_Static_assert(sizeof(struct router_leg) == 4, "router_leg");

/* Map `routed`, LPM trie: what is routed into a network of the same router, without asking it.
 * A longer prefix that leads elsewhere has an entry with network 0.
 */
struct shortcut_key {
	__u32 prefixlen;
	__u32 table;
	__u8 address[16];
};
_Static_assert(sizeof(struct shortcut_key) == 24, "shortcut_key");

struct shortcut {
	__u32 network;		/* 0: the router decides */
	__u8 router_mac[6];	/* in that network */
	__u16 pad;
	__u8 hop[16];		/* virtual IP whose owner is the next hop; 0: the destination is there */
};
_Static_assert(sizeof(struct shortcut) == 28, "shortcut");

/* Map `stations`: who has an address in a network (struct virtual_ip_key), on this host. */
struct station {
	__u32 ifindex;		/* host end of the link */
	__u8 mac[6];
	__u16 pad;
};
_Static_assert(sizeof(struct station) == 12, "station");

enum binding_kind {
	BINDING_MAC = 1,	/* the port may use this MAC, but no address was found */
	BINDING_ADDRESS = 2,	/* the port may use this MAC with this address */
	BINDING_HELD = 3,	/* the port holds this address, whatever the MAC */
};

/* In the field family of a key without MAC: is an address one of the port's? No source is looked
 * up like this, so that no MAC of zeros is ever bound.
 */
#define BINDING_ANY_MAC 0x40

/* Map `bindings`, LPM trie -> __u32 (enum binding_kind). Each MAC of a port has one entry of
 * BINDING_MAC_BITS without address; each binding one of BINDING_ADDRESS_BITS + 96 + length for IPv4
 * and + length for IPv6, and so has each prefix without MAC. One lookup of a whole key tells bound, wrong address and wrong MAC apart.
 */
#define BINDING_MAC_BITS 80
#define BINDING_ADDRESS_BITS 96

struct binding_key {
	__u32 prefixlen;
	__u32 port;
	__u8 mac[6];
	__u8 family;
	__u8 pad;
	__u8 address[16];
};
_Static_assert(sizeof(struct binding_key) == 32, "binding_key");

enum claim_policy {
	CLAIM_LATEST = 1,
	CLAIM_FIRST = 2,
	CLAIM_PRIORITY = 3,
	CLAIM_FROZEN = 4,
};

/* Key of `virtual_ips` and `vip_owners`, value of `virtual_macs` (by struct forwarding_key). */
struct virtual_ip_key {
	__u32 network;
	__u8 address[16];
};
_Static_assert(sizeof(struct virtual_ip_key) == 20, "virtual_ip_key");

struct virtual_ip {
	__u32 policy;		/* enum claim_policy */
	__u32 pinned_owner;	/* port number, 0 for none */
};
_Static_assert(sizeof(struct virtual_ip) == 8, "virtual_ip");

/* Map `vip_owners`: who holds it now. The driver creates an entry with each virtual IP
 * (BPF_NOEXIST, so that a restart keeps the owner) and sets the owner to 0 when it stops being a
 * member; from then on from_port writes. Access from outside with BPF_F_LOCK.
 */
struct virtual_ip_owner {
	__u32 lock;		/* struct bpf_spin_lock */
	__u32 owner;		/* port number, 0 for none */
	__u32 ifindex;		/* host end of the owner's link */
	__u32 challenger;	/* port number of the last other member that announced it */
	__u64 seen_at;		/* last claim by the owner */
	__u64 taken_at;
	__u8 mac[6];		/* claimed MAC */
	__u16 priority;		/* of the last VRRP claim, 0 without */
	__u32 takes;		/* changes of owner so far */
	__u32 pad;
};
_Static_assert(sizeof(struct virtual_ip_owner) == 48, "virtual_ip_owner");

/* Map `vip_members`: who may claim it. */
struct virtual_ip_member_key {
	__u32 network;
	__u32 port;
	__u8 address[16];
};
_Static_assert(sizeof(struct virtual_ip_member_key) == 24, "virtual_ip_member_key");

struct virtual_ip_member {
	__u64 announced_at;	/* by the program; the last announcement and the one before */
	__u64 announced_before_at;
	__u8 virtual_mac[6];	/* zero for none */
	__u16 pad;
};
_Static_assert(sizeof(struct virtual_ip_member) == 24, "virtual_ip_member");

enum claim_kind {
	CLAIM_BY_ARP = 1,
	CLAIM_BY_NEIGHBOUR = 2,
	CLAIM_BY_VRRP = 3,
};

enum claim_flag {
	CLAIM_ACCEPTED = 1,	/* the owner changed */
	CLAIM_REFUSED = 2,
	CLAIM_SPLIT_BRAIN = 4,	/* `port` and `other` both announce it */
};

/* Ring buffer `claims`: each change of an owner and each refused announcement. */
struct claim_event {
	__u64 at;
	__u32 network;
	__u32 port;		/* who claims */
	__u32 other;		/* the owner before (or still) */
	__u8 address[16];
	__u8 mac[6];
	__u16 priority;
	__u8 kind;		/* enum claim_kind */
	__u8 flags;		/* enum claim_flag */
	__u8 pad[2];
};
_Static_assert(sizeof(struct claim_event) == 48, "claim_event");

/* Map `counters`, per CPU. Port 0 counts frames of links without entry. */
struct counter_key {
	__u32 port;
	__u8 direction;		/* enum direction */
	__u8 reason;		/* enum drop_reason; DROP_NONE: allowed */
	__u16 pad;
};
_Static_assert(sizeof(struct counter_key) == 8, "counter_key");

struct counter {
	__u64 packets;		/* segments of a super-packet count one by one */
	__u64 bytes;
};
_Static_assert(sizeof(struct counter) == 16, "counter");

/* Map `mirror_sources`: port number (__u32) -> keys of classifiers, each asked on its own, up to the
 * first 0. ALLOW means a copy for a session; label: its number, and above 32 bits its ways' version.
 */
#define MIRROR_CHAINS 4

struct mirror_source {
	__u64 egress[MIRROR_CHAINS];
	__u64 ingress[MIRROR_CHAINS];
	__u64 dropped_egress[MIRROR_CHAINS];
	__u64 dropped_ingress[MIRROR_CHAINS];
};
_Static_assert(sizeof(struct mirror_source) == 128, "mirror_source");

/* Map `mirror_ways`: how copies travel whose rule has this version. */
struct mirror_way_key {
	__u32 session;
	__u32 port;
	__u32 version;
};
_Static_assert(sizeof(struct mirror_way_key) == 12, "mirror_way_key");

struct mirror_way {
	__u64 bytes_per_second;	/* budget of each direction; 0: none */
	__u32 ifindex;		/* host end of the target's link */
	__u32 vni;
	__be32 source;		/* outer addresses */
	__be32 target;
	__u8 source_mac[6];
	__u8 target_mac[6];
	__u16 packet_length;	/* bytes of the inner frame to keep; 0: all */
	__u16 mtu;		/* of the source's interface, in IP bytes */
};
_Static_assert(sizeof(struct mirror_way) == 40, "mirror_way");

enum mirror_outcome {
	MIRROR_COPIED = 1,	/* bytes: what the target got */
	MIRROR_TRUNCATED = 2,	/* of those; bytes: what their inner frames lost */
	MIRROR_OVER_BUDGET = 3,
	MIRROR_NO_TARGET = 4,
	MIRROR_REFUSED = 5,	/* by the target's rules */
	MIRROR_FAILED = 6,
	MIRROR_OVERLOAD = 7,	/* too much waits on this CPU already */
};

/* Map `mirror_counters`, per CPU -> struct counter; segments count one by one. */
struct mirror_counter_key {
	__u32 session;
	__u32 port;		/* the source */
	__u8 direction;		/* enum direction */
	__u8 outcome;		/* enum mirror_outcome */
	__u16 pad;
};
_Static_assert(sizeof(struct mirror_counter_key) == 12, "mirror_counter_key");

/* Map `flows`. Values: transport ports, or twice the identifier of an ICMP echo, or 0. Both sides
 * may ping with one identifier, so an echo's key names the direction of the requests.
 */
struct flow_key {
	__u32 port;
	__u8 family;
	__u8 protocol;
	__be16 local_value;
	__u8 local[16];
	__u8 remote[16];
	__be16 remote_value;
	__u8 asker;		/* enum direction for ICMP echo, else 0 */
	__u8 pad;
};
_Static_assert(sizeof(struct flow_key) == 44, "flow_key");

enum flow_flag {
	FLOW_INITIATOR_EGRESS = 1,	/* the guest opened it; else the other side did */
	FLOW_REPLIED = 2,		/* a packet against the initiator's direction was seen */
	FLOW_FIN_EGRESS = 4,
	FLOW_FIN_INGRESS = 8,
	FLOW_RST = 16,
	FLOW_REVOKED = 32,		/* no rule allows it any more */
	FLOW_KEEP = 64,			/* the rule that made it lets it outlive the rule */
};

struct flow {
	__u64 seen_at;
	__u64 label;		/* rule that made it */
	__u32 flags;		/* enum flow_flag */
	__u32 epoch;		/* the rules allowed (or revoked) it under this epoch */
	__u32 bound_epoch;	/* local_mac was bound to the local address under this epoch */
	__u8 local_mac[6];
	__u8 pad[2];
	__u32 held_epoch;	/* the port was found to hold the local address under this epoch */
};
_Static_assert(sizeof(struct flow) == 40, "flow");

/* Map `fragments`: an allowed first fragment. */
struct fragment_key {
	__u32 port;
	__u32 identification;
	__u8 direction;
	__u8 family;
	__u8 protocol;
	__u8 pad;
	__u8 source[16];
	__u8 destination[16];
};
_Static_assert(sizeof(struct fragment_key) == 44, "fragment_key");

struct fragment {
	__u64 allowed_at;
};
_Static_assert(sizeof(struct fragment) == 8, "fragment");

enum classify_action {
	ACTION_NONE = 0,	/* no rule matches, or there is no such classifier */
	ACTION_ALLOW = 1,
	ACTION_DENY = 2,
};

enum rule_flag {
	RULE_STATELESS = 1,
	RULE_KEEP = 2,
};

/* Input and output of classify(): ports and ICMP in host order, 0 where the protocol has none. */
struct classify_input {
	__u64 classifier;
	__u32 scope;
	__u8 family;
	__u8 protocol;
	__u16 source_port;
	__u16 destination_port;
	__u16 icmp;		/* type << 8 | code */
	__u32 pad;
	__u8 local[16];
	__u8 remote[16];
};
_Static_assert(sizeof(struct classify_input) == 56, "classify_input");

struct classify_result {
	__u32 action;		/* enum classify_action */
	__u32 flags;		/* enum rule_flag */
	__u64 label;
};
_Static_assert(sizeof(struct classify_result) == 16, "classify_result");

#endif
