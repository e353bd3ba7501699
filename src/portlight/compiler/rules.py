"""Which table the packets of a router follow, by where they came in. Section 2 of routing.md."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from portlight.compiler.legs import Connected
from portlight.plan.routers import (
    FIRST_TABLE,
    INSIDE_TABLE,
    NOWHERE_TABLE,
    OUTSIDE_TABLE,
    LegPlan,
    RulePlan,
)
from portlight.values.ids import SubnetId

_LOCAL = 90
_SPECIFIC = 100
_OWN_WAY = 200
_TABLE = 300
_NOWHERE = 400
_MAIN_TABLE = 254
_LOOPBACK = "lo"
"""Where what the router itself sends comes from: ICMP errors, advertisements."""

Tables = tuple[int, Mapping[SubnetId, int]]
"""Number of the default route table, and of that of each subnet which has another one."""


def router_rules(
    *,
    interfaces: Sequence[LegPlan],
    inside: Sequence[Connected],
    outside: str | None,
    peers: Iterable[str],
    tables: Tables,
) -> tuple[RulePlan, ...]:
    """Return the rules of a router, in the order in which they are written down."""
    rules = [
        rule
        for version in (4, 6)
        for rule in _of_version(version, interfaces, inside, outside, peers, tables)
    ]
    return tuple(
        sorted(rules, key=lambda rule: (rule.version, rule.priority, rule.ifname, str(rule.source)))
    )


def _of_version(  # noqa: PLR0913, PLR0917 -- all that a router is made of
    version: int,
    interfaces: Sequence[LegPlan],
    inside: Sequence[Connected],
    outside: str | None,
    peers: Iterable[str],
    tables: Tables,
) -> Iterator[RulePlan]:
    default = FIRST_TABLE + tables[0]
    yield RulePlan(priority=_LOCAL, version=version, ifname=_LOOPBACK, table=_MAIN_TABLE)
    yield RulePlan(priority=_TABLE, version=version, ifname=_LOOPBACK, table=default)
    yield RulePlan(priority=_NOWHERE, version=version, table=NOWHERE_TABLE)
    for ifname in peers:
        yield RulePlan(priority=_TABLE, version=version, ifname=ifname, table=INSIDE_TABLE)
    if outside is not None:
        yield RulePlan(priority=_TABLE, version=version, ifname=outside, table=default)
        yield RulePlan(priority=_OWN_WAY, version=version, is_marked=True, table=OUTSIDE_TABLE)
    for leg in interfaces:
        yield from _of_leg(version, leg, inside, tables, twice=outside is not None)


def _of_leg(
    version: int, leg: LegPlan, inside: Sequence[Connected], tables: Tables, *, twice: bool
) -> Iterator[RulePlan]:
    """Yield the rules of an interface.

    Where packets may have a way of their own, its table is asked before that for everything but
    the default route, and after it for all.
    """
    default, explicit = tables
    here = [one for one in inside if one.ifname == leg.ifname]
    here = [one for one in here if one.cidr.version == version] or here
    numbers = [FIRST_TABLE + explicit.get(one.subnet_id, default) for one in here]
    first = numbers[0] if numbers else FIRST_TABLE + default
    for priority, only_specific in (
        ((_SPECIFIC, True), (_TABLE, False)) if twice else ((_TABLE, False),)
    ):
        yield RulePlan(
            priority=priority,
            version=version,
            ifname=leg.ifname,
            table=first,
            only_specific=only_specific,
        )
        for one, number in zip(here, numbers, strict=True):
            if number != first and one.cidr.version == version:
                yield RulePlan(
                    priority=priority - 1,
                    version=version,
                    ifname=leg.ifname,
                    source=one.cidr,
                    table=number,
                    only_specific=only_specific,
                )
