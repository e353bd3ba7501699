"""How much a project may have: limits per resource, and when a warning is due. Pure.

The hard limit refuses. The soft one warns: it shows in the answers and in the metrics.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from portlight.core.errors import InvalidRequestError, QuotaBelowUsageError
from portlight.values.ids import ProjectId

UNLIMITED: Final = -1
MAX_LIMIT: Final = (1 << 31) - 1
WARNING_PERCENT: Final = 80
"""Of the hard limit: the soft limit of a project that has no other."""

LIMITS_OF_ONE: Mapping[str, int] = {
    "mirror_session_sources": 10,
    "mirror_source_sessions": 3,
    "mirror_target_sessions": 10,
    "mirror_filter_sessions": 1000,
    "mirror_filter_rules": 10,
    "vpc_subnets": 1_000,
    "router_route_tables": 1_000,
    "route_table_routes": 10_000,
}
"""Limits of each single thing of a project, not of all together; mirror rules for each direction.

NHN's own are 10 subnets and 10 tables of a VPC, and 10 routes of a table.
"""
DEFAULT_LIMITS: Mapping[str, int] = {
    "network": 10_000,
    "subnet": 10_000,
    "subnetpool": 10_000,
    "address_scope": 10_000,
    "port": 500_000,
    "security_group": 10_000,
    "security_group_rule": 200_000,
    "address_group": 10_000,
    "rbac_policy": 10_000,
    "virtual_ip": 10_000,
    "instance": 10_000,
    "mirror_filter": 10_000,
    "mirror_session": 20_000,
    "router": 10_000,
    "floatingip": 10_000,
    "internet_gateway": 1_000,
    "nat_gateway": 1_000,
    "peering": 1_000,
    **LIMITS_OF_ONE,
}
"""Resource to hard limit: guards against a runaway script, out of the way of everyone else."""

DEFAULTS_ID: Final = ProjectId("default")
"""The `project_id` under which an operator's own defaults are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaLimits:
    """What was set for a project; what is missing follows the defaults."""

    project_id: ProjectId
    hard: Mapping[str, int] = field(default_factory=dict)
    soft: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Both limits of one resource; UNLIMITED is -1."""

    hard: int
    soft: int

    def permits(self, used: int) -> bool:
        """Whether a project may have so many."""
        return self.hard == UNLIMITED or used <= self.hard

    def warns(self, used: int) -> bool:
        """Whether a project that has so many is to be warned."""
        return self.soft != UNLIMITED and used >= max(self.soft, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUse:
    """What a project may have of a resource, and what it has."""

    project_id: ProjectId
    resource: str
    allowance: Allowance
    used: int


def allowance(resource: str, own: QuotaLimits | None, defaults: QuotaLimits | None) -> Allowance:
    """Return the limits of a resource: the project's own, the operator's, the built-in ones."""
    hard, soft = DEFAULT_LIMITS[resource], None
    for limits in (defaults, own):
        if limits is None:
            continue
        hard = limits.hard.get(resource, hard)
        soft = limits.soft.get(resource, soft)
    return Allowance(hard=hard, soft=_warning(hard) if soft is None else soft)


def changed_limits(
    limits: QuotaLimits, *, hard: Mapping[str, int], soft: Mapping[str, int]
) -> QuotaLimits:
    """Return the limits with some set anew; raise InvalidRequestError for what cannot be one."""
    for resource, limit in (*hard.items(), *soft.items()):
        if resource not in DEFAULT_LIMITS:
            raise InvalidRequestError(resource, "there is no quota for it")
        if not UNLIMITED <= limit <= MAX_LIMIT:
            raise InvalidRequestError(
                resource, f"'{limit}' is not between {UNLIMITED} and {MAX_LIMIT}"
            )
    return replace(limits, hard={**limits.hard, **hard}, soft={**limits.soft, **soft})


def check_not_below(hard: Mapping[str, int], used: Mapping[str, int]) -> None:
    """Raise QuotaBelowUsageError when a new limit is less than what is there."""
    for resource, limit in hard.items():
        if UNLIMITED < limit < used.get(resource, 0):
            raise QuotaBelowUsageError(resource, limit, used[resource])


def _warning(hard: int) -> int:
    return UNLIMITED if hard == UNLIMITED else hard * WARNING_PERCENT // 100
