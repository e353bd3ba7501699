"""Which addresses belong to which remote groups.

Members are the fixed addresses of ports, on whatever host. Virtual IPs and allowed address pairs
are no members (row N32). Only networks of this host and groups that one of its rules names are
held.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from portlight.compiler.classifiers import GroupNumbers, remote_groups
from portlight.compiler.parts import join_parts
from portlight.compiler.view import HostView
from portlight.core.port import OWNER_VIRTUAL_IP, Port
from portlight.plan.delta import Delta, Edition, delta
from portlight.values.addresses import IpAddress
from portlight.values.ids import NetworkId, SecurityGroupId

V = TypeVar("V")

Key = tuple[int, IpAddress]
Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkMembers:
    """The members in one network, and what they came from."""

    scope: int
    numbers: Mapping[SecurityGroupId, int]
    ports: Mapping[object, Port]
    holders: Edition[Key, Mapping[object, Numbers]]
    """The groups of an address by the port that brings them."""
    members: Edition[Key, Numbers]


def compile_members(view: HostView) -> Mapping[Key, Numbers]:
    """Return the groups of each address that a rule on this host can refer to."""
    parts: dict[Hashable, Edition[Key, Numbers]] = {}
    for key, groups in _groups_by_network(view).items():
        if groups:
            scope, ports = view.networks[key].number, view.ports_of(key)
            part = view.memo.improve(("members", key), _members, scope, groups, ports)
            parts[key] = part.members
    return join_parts(view.memo, "members", parts)


def _groups_by_network(view: HostView) -> dict[NetworkId, GroupNumbers]:
    """Return the groups that the rules of this host's ports refer to, in each network."""
    carried: dict[NetworkId, set[SecurityGroupId]] = {key: set() for key in view.networks}
    for port, network in view.attached():
        if port.port_security_enabled:
            carried[network.id].update(port.security_groups)
    named = {
        group: remote_groups(view, group)
        for group in set().union(*carried.values())
        if group in view.topology.security_groups
    }
    return {
        network: frozenset().union(*(named[group] for group in groups if group in named))
        for network, groups in carried.items()
    }


def _members(
    scope: int,
    groups: GroupNumbers,
    ports: Mapping[object, Port],
    last: NetworkMembers | None,
) -> NetworkMembers:
    numbers = dict(groups)
    if last is None or last.scope != scope or last.numbers != numbers:
        last = NetworkMembers(
            scope=scope, numbers=numbers, ports={}, holders=Edition(), members=Edition()
        )
    change = delta(ports, last.ports)
    holders = _changed_holders(last, change)
    changed = {key: _union(held) for key, held in holders.items()}
    return NetworkMembers(
        scope=scope,
        numbers=numbers,
        ports=ports,
        holders=last.holders.with_change(_change(last.holders, holders)),
        members=last.members.with_change(_change(last.members, changed)),
    )


def _changed_holders(
    last: NetworkMembers, change: Delta[object, Port]
) -> dict[Key, dict[object, Numbers]]:
    """Return the new holders of every address that a changed port has or had."""
    touched: dict[Key, dict[object, Numbers]] = {}
    for port_id in (*change.put, *change.remove):
        if port_id in last.ports:
            for key, _ in _contributions(last, last.ports[port_id]):
                touched.setdefault(key, dict(last.holders.get(key, {}))).pop(port_id, None)
    for port_id, port in change.put.items():
        for key, numbers in _contributions(last, port):
            touched.setdefault(key, dict(last.holders.get(key, {})))[port_id] = numbers
    return touched


def _contributions(within: NetworkMembers, port: Port) -> Iterator[tuple[Key, Numbers]]:
    if port.device_owner == OWNER_VIRTUAL_IP:
        return
    numbers = [within.numbers[group] for group in port.security_groups if group in within.numbers]
    if numbers:
        for fixed in port.fixed_ips:
            yield (within.scope, fixed.address), tuple(sorted(numbers))


def _union(held: Mapping[object, Numbers]) -> Numbers:
    if len(held) == 1:
        return next(iter(held.values()))
    return tuple(sorted({number for numbers in held.values() for number in numbers}))


def _change(before: Mapping[Key, V], touched: Mapping[Key, V]) -> Delta[Key, V]:
    """Return what is different; an empty value removes the entry."""
    return Delta(
        put={key: value for key, value in touched.items() if value and before.get(key) != value},
        remove=frozenset(key for key, value in touched.items() if not value and key in before),
    )
