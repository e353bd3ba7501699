"""Rule sets that a security group can say, and what the cloud's own model makes of its rules."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_interface
from random import Random

from tests.support.builders import META, a_group, a_port, a_topology, an_id, group_id

from portlight.core.changes import Birth
from portlight.core.drafts import SecurityGroupRuleDraft
from portlight.core.group_rules import Question, permission
from portlight.core.security_group import Direction, EtherType, SecurityGroupRule
from portlight.core.security_groups import build_rule
from portlight.core.topology import Topology
from portlight.guest.iptables.groups import Document
from portlight.guest.iptables.packet import Hook, Packet

_ICMP_ASKED = {
    4: ("-p icmp --icmp-type 8", "-p icmp --icmp-type 3/1", "-p icmp"),
    6: ("-p icmpv6 --icmpv6-type 128", "-p icmpv6 --icmpv6-type 1/4", "-p icmpv6"),
}


def allow_list(random: Random, family: int) -> str:
    """A filter table of the kind that people write: some refusals, some allowances, a policy."""
    lines = [f"-A {random.choice(('INPUT', 'web'))} {_rule(random, family)}" for _ in range(8)]
    lines.insert(random.randrange(len(lines)), "-A INPUT -j web")
    output = [f"-A OUTPUT {_rule(random, family, side='-d')}" for _ in range(random.randrange(3))]
    # Everything but something takes a rule for each protocol: people write it seldom.
    policies = (":INPUT DROP [0:0]", f":OUTPUT {'DROP' if output else 'ACCEPT'} [0:0]")
    return "\n".join(("*filter", *policies, ":web - [0:0]", *lines, *output, "COMMIT", ""))


def _rule(random: Random, family: int, *, side: str = "-s") -> str:
    asked = random.choice(
        (
            "-p tcp --dport 22",
            "-p tcp -m multiport --dports 80,443,8000:8100",
            "-p udp --dport 53",
            "-p tcp ! --dport 1:1023",
            "-p 47",
            random.choice(_ICMP_ASKED[family]),
        )
    )
    target = random.choice(("ACCEPT", "ACCEPT", "ACCEPT", "DROP", "REJECT", "RETURN", "LOG"))
    remote = random.choice(("", f"{side} {_prefix(random, family)}"))
    return f"{remote} {asked} -j {target}"


def _prefix(random: Random, family: int) -> str:
    last = random.randrange(256)
    if family == 4:
        return f"10.9.{last}.0/{random.choice((16, 22, 24, 31, 32))}"
    return f"fd09::{last:x}/{random.choice((32, 64, 120, 127, 128))}"


def core_allows(documents: Iterable[Document], packet: Packet) -> bool:
    """Return whether the cloud's model lets the packet through a port with these rules."""
    is_ingress = packet.hook is Hook.INPUT
    remote = packet.source if is_ingress else packet.destination
    assert remote is not None
    icmp = None if packet.icmp_type is None else (packet.icmp_type, packet.icmp_code or 0)
    question = Question(
        direction=Direction.INGRESS if is_ingress else Direction.EGRESS,
        protocol=packet.protocol,
        remote=remote,
        destination_port=packet.destination_port or 0,
        icmp=icmp,
    )
    topology = _topology(tuple(tuple(each.items()) for each in documents))
    port = a_port(1, security_groups=frozenset({group_id(1)}))
    return permission(topology, port, question) is not None


@lru_cache(maxsize=4)
def _topology(documents: tuple[tuple[tuple[str, str | int], ...], ...]) -> Topology:
    rules = (_core_rule(number, dict(each)) for number, each in enumerate(documents, start=1))
    return a_topology(a_group(1), *rules)


def _core_rule(number: int, document: Document) -> SecurityGroupRule:
    prefix = document.get("remote_ip_prefix")
    low, high = document.get("port_range_min"), document.get("port_range_max")
    draft = SecurityGroupRuleDraft(
        security_group_id=group_id(1),
        direction=Direction(str(document["direction"])),
        ethertype=EtherType(str(document["ethertype"])),
        protocol=str(document["protocol"]) if "protocol" in document else None,
        port_range_min=None if low is None else int(low),
        port_range_max=None if high is None else int(high),
        remote_prefix=None if prefix is None else ip_interface(str(prefix)),
    )
    return build_rule(draft, Birth(id=an_id(5, number), project_id=META.project_id, now=0.0))
