"""Small topologies in which everything meets: from one random source, for every suite.

The same code serves Hypothesis (which controls and shrinks the source) and the fast seeded runs.
"""

from dataclasses import replace
from random import Random

from tests.support.builders import (
    ELSEWHERE,
    HOST,
    a_group,
    a_mirror_filter,
    a_mirror_rule,
    a_mirror_session,
    a_network,
    a_port,
    a_rule,
    a_subnet,
    a_topology,
    a_virtual_ip,
    address_group_id,
    an_address_group,
    an_instance,
    entities_of,
    group_id,
    icmp,
    ip,
    mac,
    net,
    port_id,
    ports,
)
from tests.support.routing_worlds import KINDS, displaced, routing_ports, some_route, some_routing

from portlight.core.address_group import AddressGroup
from portlight.core.mirror import MirrorAction
from portlight.core.port import OWNER_VIRTUAL_IP, AddressPair, FixedIp, Port, RetiredIp
from portlight.core.security_group import (
    Direction,
    EstablishedFlows,
    EtherType,
    SecurityGroupRule,
)
from portlight.core.topology import Entity, Topology
from portlight.core.virtual_ip import ClaimPolicy
from portlight.values.addresses import IpPrefix, MacAddress

PORT_NUMBERS = (22, 53, 80, 443, 1000)
PROTOCOLS = (1, 6, 17, 33, 47, 58, 112, 132, 136)
PREFIXES = ("10.0.0.0/24", "10.0.0.4/30", "10.0.0.5/32", "0.0.0.0/0", "192.0.2.0/24")
PREFIXES_IPV6 = ("fd00::/64", "fd00::4/126", "fd00::5/128", "::/0", "2001:db8::/32", "fe80::/10")
VIRTUAL_IPS = ("10.0.0.100", "10.0.0.101", "fd00::100")
GROUPS, ADDRESS_GROUPS, PORTS, DHCP_PORT = 4, 2, 6, 50
KEEPERS = 1_000_000
"""Numbers of the ports that keep the addresses of virtual IPs begin here."""
FILTERS, SESSIONS = 3, 6
MOST_THAT_COPY_ALL = 3
"""Of one source: the kernel's entry has room for these and for all others together."""
MIRROR_TARGETS: tuple[dict[str, object], ...] = (
    {},
    {},
    {"target_port_id": None},
    {"target_port_id": None, "target_ip": ip("10.0.0.5")},
    {"target_port_id": None, "target_ip": ip("192.0.2.9")},
)
"""A port, one that was deleted, an address outside."""


def a_world(random: Random) -> Topology:
    """Return two networks with the same addresses, ports of all kinds, groups and virtual IPs."""
    second = a_network(2, admin_state_up=random.random() < 0.8)
    entities: list[Entity] = [a_network(1), second, a_subnet(1), *_subnets(random)]
    entities += [some_group(random, number) for number in range(1, GROUPS + 1)]
    entities += [some_rule(random, number) for number in range(1, random.randint(4, 16))]
    entities += [some_address_group(random, number) for number in range(1, ADDRESS_GROUPS + 1)]
    for number in range(1, PORTS + 1):
        entities.append(some_port(random, number))
        entities.append(an_instance(number, host=ELSEWHERE if number == PORTS else HOST))
    entities += some_virtual_ips(random)
    entities += some_mirrors(random)
    if random.random() < 0.5:
        entities += some_routing(random, entities)
    if random.random() < 0.7:
        entities.append(
            a_port(DHCP_PORT, "10.0.0.2", "fd00::2", device_owner="network:dhcp", device_id="dhcp")
        )
    return a_topology(*entities)


def _subnets(random: Random) -> list[Entity]:
    second = a_network(2).id
    return [
        a_subnet(2, "fd00::/64", enable_dhcp=random.random() < 0.5),
        a_subnet(3, network_id=second),
        a_subnet(4, "fd00::/64", network_id=second),
    ]


def some_group(random: Random, number: int) -> Entity:
    return a_group(
        number,
        stateful=random.random() < 0.75,
        established_flows=random.choice(list(EstablishedFlows)),
    )


def some_rule(random: Random, number: int) -> SecurityGroupRule:
    """Return a rule: often one that allows much, now and then one that can match nothing."""
    ethertype = random.choice((EtherType.IPV4, EtherType.IPV4, EtherType.IPV6))
    if random.random() < 0.3:
        wide = {"ethertype": ethertype, "direction": random.choice(list(Direction))}
        return a_rule(number, random.randint(1, GROUPS), **wide)
    protocol = random.choice((None, 1, 6, 6, 17, 58, *PROTOCOLS))
    fields: dict[str, object] = {"ethertype": ethertype, "protocol": protocol}
    fields["direction"] = random.choice(list(Direction))
    if protocol in {6, 17, 33, 132, 136, None} and random.random() < 0.6:
        first = random.choice(PORT_NUMBERS)
        fields["ports"] = ports(first, random.choice((first, 65535, first + 10)))
    elif protocol in {1, 58} and random.random() < 0.6:
        kinds = (0, 3, 8) if protocol == 1 else (1, 128, 129)
        fields["icmp"] = icmp(random.choice(kinds), random.choice((None, 0, 1)))
    remote = random.random()
    if remote < 0.3:
        texts = PREFIXES if ethertype is EtherType.IPV4 or remote < 0.02 else PREFIXES_IPV6
        fields["remote_prefix"] = net(random.choice(texts))
    elif remote < 0.6:
        fields["remote_group_id"] = group_id(random.randint(1, GROUPS + (remote < 0.35)))
    elif remote < 0.8:
        # The last one is never there.
        number_of = random.choice((1, 1, 2, 3))
        fields["remote_address_group_id"] = address_group_id(number_of)
    return a_rule(number, random.randint(1, GROUPS), **fields)


def some_address_group(random: Random, number: int) -> AddressGroup:
    """Return an address group: at times empty, of one family, or with one address in another."""
    texts = random.choice(((*PREFIXES, *PREFIXES_IPV6), PREFIXES, PREFIXES_IPV6))
    narrow = [text for text in texts if not text.endswith("/0")]
    return an_address_group(number, *random.sample(narrow, random.randint(0, 4)))


def some_port(random: Random, number: int) -> Port:
    """Return a port of network 1, now and then of the one that has the same addresses."""
    other = random.random() < 0.1
    addresses = [f"10.0.0.{number + 4}"] if random.random() < 0.9 else []
    addresses += [f"fd00::{number + 4:x}"] if random.random() < 0.8 else []
    addresses += [f"10.0.0.{number + 24}"] if random.random() < 0.2 else []
    port = a_port(number, *addresses)
    fixed = tuple(
        FixedIp(
            subnet_id=a_subnet(2 * other + (1 if one.address.version == 4 else 2)).id,
            address=one.address,
        )
        for one in port.fixed_ips
    )
    groups = random.sample(range(1, GROUPS + 1), random.choice((0, 1, 2, 2, 3)))
    return a_port(
        number,
        fixed_ips=fixed,
        network_id=a_network(2 if other else 1).id,
        retired_ips=_retired(random, number),
        allowed_address_pairs=tuple(_pair(random) for _ in range(random.choice((0, 0, 1, 3)))),
        security_groups=tuple(sorted(group_id(group) for group in groups)),
        port_security_enabled=random.random() < 0.93,
        source_destination_check=random.random() < 0.7,
        admin_state_up=random.random() < 0.98,
    )


def _retired(random: Random, number: int) -> tuple[RetiredIp, ...]:
    if random.random() < 0.8:
        return ()
    fixed = FixedIp(subnet_id=a_subnet(1).id, address=ip(f"10.0.0.{number + 44}"))
    return (RetiredIp(fixed_ip=fixed, until=0),)


def _pair(random: Random) -> AddressPair:
    prefix: IpPrefix = net(random.choice((*PREFIXES[:3], *PREFIXES_IPV6[:3], "10.0.0.101/32")))
    # A multicast MAC can never be a sender, whatever the pair says.
    lent: MacAddress | None = random.choice((None, mac(90), mac(91), mac("01:00:5e:00:00:01")))
    return AddressPair(prefix=prefix, mac=lent)


def some_virtual_ips(random: Random) -> list[Entity]:
    """Return virtual IPs with the ports that keep their addresses."""
    vips: list[Entity] = []
    for number, address in enumerate(VIRTUAL_IPS, start=1):
        if random.random() < 0.6:
            members = random.sample(range(1, PORTS + 1), random.randint(1, 3))
            routers = {member: random.choice((None, 7)) for member in members}
            pinned = random.choice((None, port_id(random.choice(members))))
            policy = random.choice(list(ClaimPolicy))
            vip = a_virtual_ip(number, address, routers, claim_policy=policy, pinned_owner=pinned)
            keeper = a_port(
                KEEPERS + number,
                address,
                device_owner=OWNER_VIRTUAL_IP,
                device_id="",
                device_index=None,
            )
            vips += [vip, keeper]
    return vips


def some_mirrors(random: Random) -> list[Entity]:
    """Return filters with rules, and sessions of all kinds."""
    entities: list[Entity] = [a_mirror_filter(number) for number in range(1, FILTERS + 1)]
    entities += [_mirror_rule(random, number) for number in range(1, random.randint(2, 14))]
    for number in range(1, random.randint(2, SESSIONS + 1)):
        sources = random.sample(range(1, PORTS + 1), random.randint(1, 3))
        filters = random.sample(range(1, FILTERS + 1), random.choice((1, 1, 2)))
        entities.append(
            a_mirror_session(
                number,
                tuple(sources),
                random.randint(1, PORTS),
                priority=random.choice((number, 5)),
                mirror_filter_ids=tuple(a_mirror_filter(one).id for one in filters),
                enabled=random.random() < 0.9,
                copies_all=number <= MOST_THAT_COPY_ALL and random.random() < 0.3,
                copies_drops=random.random() < 0.3,
                **random.choice(MIRROR_TARGETS),
            )
        )
    return entities


def _mirror_rule(random: Random, number: int) -> Entity:
    ethertype = random.choice((EtherType.IPV4, EtherType.IPV4, EtherType.IPV6))
    fields: dict[str, object] = {
        "ethertype": ethertype,
        "direction": random.choice(list(Direction)),
        "action": random.choice((MirrorAction.ACCEPT, MirrorAction.ACCEPT, MirrorAction.REJECT)),
        "protocol": random.choice((None, 6, 17, 1 if ethertype is EtherType.IPV4 else 58)),
    }
    texts = PREFIXES if ethertype is EtherType.IPV4 else PREFIXES_IPV6
    for side in ("source_prefix", "destination_prefix"):
        if random.random() < 0.3:
            fields[side] = net(random.choice(texts))
    if fields["protocol"] in {6, 17}:
        for side in ("source_ports", "destination_ports"):
            if random.random() < 0.3:
                first = random.choice(PORT_NUMBERS)
                fields[side] = ports(first, random.choice((first, 65535)))
    return a_mirror_rule(number, random.randint(1, FILTERS), **fields)


def a_later_world(random: Random, earlier: list[Topology]) -> Topology:
    """Return the last topology after a change, or at times an earlier one again."""
    if random.random() < 0.4:
        return random.choice(earlier)
    return a_changed_world(random, earlier[-1])


def a_changed_world(random: Random, topology: Topology) -> Topology:
    """Return the topology after one change: something made, changed or removed."""
    gone, fresh = random.choice(_CHANGES)(random, topology)
    entities = {entity.id: entity for entity in entities_of(topology) if entity.id not in gone}
    return a_topology(*(entities | {entity.id: entity for entity in fresh}).values())


Change = tuple[set[str], list[Entity]]
"""Ids of what goes, and what comes or is changed."""


def _put_rule(random: Random, _: Topology) -> Change:
    return set(), [some_rule(random, random.randint(1, 20))]


def _put_group(random: Random, _: Topology) -> Change:
    return set(), [some_group(random, random.randint(1, GROUPS))]


def _put_address_group(random: Random, _: Topology) -> Change:
    return set(), [some_address_group(random, random.randint(1, ADDRESS_GROUPS))]


def _remove_address_group(random: Random, _: Topology) -> Change:
    return {address_group_id(random.randint(1, ADDRESS_GROUPS))}, []


def _put_port(random: Random, _: Topology) -> Change:
    return set(), [some_port(random, random.randint(1, PORTS + 1))]


def _put_virtual_ips(random: Random, topology: Topology) -> Change:
    old = [(vip.id, vip.port_id) for vip in topology.virtual_ips.values()]
    return {key for keys in old for key in keys}, some_virtual_ips(random)


def _remove_rule(random: Random, topology: Topology) -> Change:
    return set(sorted(topology.security_group_rules)[random.randint(0, 3) :][:1]), []


def _remove_rules_of_a_group(random: Random, topology: Topology) -> Change:
    group = group_id(random.randint(1, GROUPS))
    rules = topology.security_group_rules.values()
    return {rule.id for rule in rules if rule.security_group_id == group}, []


def _put_groups_on_ports(random: Random, topology: Topology) -> Change:
    groups = tuple(sorted(random.sample([group_id(n) for n in range(1, GROUPS + 1)], 2)))
    first = sorted(topology.ports.values(), key=lambda port: port.number)[:3]
    return set(), [
        replace(port, security_groups=groups if index == 0 else ())
        for index, port in enumerate(first)
    ]


def _remove_port(random: Random, _: Topology) -> Change:
    return {port_id(random.randint(1, PORTS))}, []


def _put_mirrors(random: Random, topology: Topology) -> Change:
    old = (topology.mirror_filters, topology.mirror_filter_rules, topology.mirror_sessions)
    return {key for kind in old for key in kind}, some_mirrors(random)


def _put_routing(random: Random, topology: Topology) -> Change:
    old = {key for kind in KINDS for key in getattr(topology, kind)}
    return old | set(routing_ports()), some_routing(random, list(entities_of(topology)))


def _put_route(random: Random, topology: Topology) -> Change:
    route = some_route(random, random.randint(1, 10))
    return displaced(route, topology.routes.values()), [route]


def _remove_route(random: Random, topology: Topology) -> Change:
    return set(sorted(topology.routes)[random.randint(0, 3) :][:1]), []


_CHANGES = (
    _put_routing,
    _put_route,
    _remove_route,
    _put_mirrors,
    _put_rule,
    _put_group,
    _put_address_group,
    _remove_address_group,
    _put_port,
    _put_virtual_ips,
    _remove_rule,
    _remove_rules_of_a_group,
    _put_groups_on_ports,
    _remove_port,
)
