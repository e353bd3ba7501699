"""Which addresses belong to which remote groups.

Members are the fixed addresses of ports, on whatever host. Virtual IPs and allowed address pairs
are no members (row N32). Only networks of this host and groups that one of its rules names are
held.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from portlight.compiler.classifiers import GroupNumbers, remote_groups
from portlight.compiler.view import HostView
from portlight.core.port import OWNER_VIRTUAL_IP, Port
from portlight.plan.delta import Delta, delta
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
    holders: Mapping[Key, Mapping[object, Numbers]]
    """The groups of an address by the port that brings them."""
    members: Mapping[Key, Numbers]


def compile_members(view: HostView) -> dict[Key, Numbers]:
    """Return the groups of each address that a rule on this host can refer to."""
    members: dict[Key, Numbers] = {}
    for key, groups in _groups_by_network(view).items():
        if groups:
            scope, ports = view.networks[key].number, view.ports_of(key)
            part = view.memo.improve(("members", key), _members, scope, groups, ports)
            members.update(part.members)
    return members


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
        last = NetworkMembers(scope=scope, numbers=numbers, ports={}, holders={}, members={})
    change = delta(ports, last.ports)
    holders = _changed_holders(last, change)
    changed = {key: _union(held) for key, held in holders.items()}
    return NetworkMembers(
        scope=scope,
        numbers=numbers,
        ports=ports,
        holders=_merge(last.holders, holders),
        members=_merge(last.members, changed),
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


def _merge(before: Mapping[Key, V], changed: Mapping[Key, V]) -> dict[Key, V]:
    """Return `before` with what changed; an empty value removes the entry."""
    merged = dict(before)
    for key, value in changed.items():
        if value:
            merged[key] = value
        else:
            merged.pop(key, None)
    return merged
