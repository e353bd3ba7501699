/* Ask the classifier of one direction. A function of its own for the verifier: checked once. */
#ifndef PORTLIGHT_RULES_H
#define PORTLIGHT_RULES_H

#include "../maps.h"
#include "classify.h"
#include "packet.h"

/* Too large for the stack of the longest chain of calls; nothing of it survives a frame. */
struct rules_question {
	struct classify_input input;
	struct classify_result result;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rules_question);
} rules_scratch SEC(".maps");

__attribute__((noinline)) int match_rules(struct rules_question *question)
{
	if (!question || !question->input.classifier)
		return ACTION_NONE;
	classify(&question->input, &question->result);
	return question->result.action;
}

static __always_inline struct rules_question *
begin_question(const struct port_entry *port, __u8 family, __u8 protocol, __u64 classifier)
{
	__u32 zero = 0;
	struct rules_question *question = bpf_map_lookup_elem(&rules_scratch, &zero);

	if (!question)
		return NULL;
	__builtin_memset(question, 0, sizeof(*question));
	question->input.classifier = classifier;
	question->input.scope = port->scope;
	question->input.family = family;
	question->input.protocol = protocol;
	return question;
}

/* What a classifier is asked about a packet. */
static __always_inline struct rules_question *
question_of_packet(const struct port_entry *port, const struct packet *packet, bool egress,
		   __u64 classifier)
{
	struct rules_question *question =
		begin_question(port, packet->family, packet->protocol, classifier);
	struct classify_input *input;

	if (!question)
		return NULL;
	input = &question->input;
	if (carries_ports(packet->protocol)) {
		input->source_port = bpf_ntohs(packet->source_value);
		input->destination_port = bpf_ntohs(packet->destination_value);
	} else if (is_icmp(packet)) {
		input->icmp = packet->icmp_type << 8 | packet->icmp_code;
	}
	__builtin_memcpy(input->local, egress ? packet->source : packet->destination, 16);
	__builtin_memcpy(input->remote, egress ? packet->destination : packet->source, 16);
	return question;
}

/* Judge a packet as new: the rule's answer, or NULL when none allows it. */
static __always_inline const struct classify_result *
rules_for_packet(const struct port_entry *port, const struct packet *packet, bool egress)
{
	struct rules_question *question = question_of_packet(
		port, packet, egress, egress ? port->egress : port->ingress);

	return question && match_rules(question) == ACTION_ALLOW ? &question->result : NULL;
}

/* Judge the packet that opened a flow, again. */
static __always_inline bool rules_allow_flow(const struct port_entry *port,
					     const struct flow_key *key, bool egress)
{
	struct rules_question *question =
		begin_question(port, key->family, key->protocol,
			       egress ? port->egress : port->ingress);
	struct classify_input *input;

	if (!question)
		return false;
	input = &question->input;
	if (carries_ports(key->protocol)) {
		input->source_port =
			bpf_ntohs(egress ? key->local_value : key->remote_value);
		input->destination_port =
			bpf_ntohs(egress ? key->remote_value : key->local_value);
	} else if (key->family == FAMILY_IPV4 && key->protocol == PROTOCOL_ICMP) {
		input->icmp = 8 << 8;
	} else if (key->family == FAMILY_IPV6 && key->protocol == PROTOCOL_ICMPV6) {
		input->icmp = 128 << 8;
	}
	__builtin_memcpy(input->local, key->local, 16);
	__builtin_memcpy(input->remote, key->remote, 16);
	return match_rules(question) == ACTION_ALLOW;
}

#endif
