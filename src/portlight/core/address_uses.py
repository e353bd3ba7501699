"""How long public addresses were held, and how long of that they were in use. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from portlight.core.floating_ip import AddressUse, FloatingIp
from portlight.values.ids import AddressUseId, ProjectId

KEPT_DAYS = 400
"""For so long a record is kept after its end: a year, and a month to talk about the bill."""
_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A time to report about, in seconds since the epoch, UTC."""

    since: float
    until: float

    def seconds_of(self, use: AddressUse) -> float:
        """Return how much of the period a use covers."""
        until = self.until if use.until is None else min(use.until, self.until)
        return max(0.0, until - max(use.since, self.since))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectUsage:
    """What public addresses a project held in a period."""

    project_id: ProjectId
    addresses: int
    """How many different ones."""
    held_seconds: float
    used_seconds: float


def begin_use(use_id: AddressUseId, floating_ip: FloatingIp, now: float) -> AddressUse:
    """Return the first record of an address that was just allocated: it is idle."""
    return AddressUse(
        id=use_id,
        floating_ip_id=floating_ip.id,
        address=floating_ip.address,
        project_id=floating_ip.meta.project_id,
        allocated_from=now,
        since=now,
    )


def next_use(use: AddressUse, use_id: AddressUseId, now: float) -> AddressUse:
    """Return the record that follows when the address comes into use, or goes out of it."""
    return replace(use, id=use_id, since=now, until=None, in_use=not use.in_use)


def is_over(use: AddressUse, now: float) -> bool:
    """Whether a record has been kept for long enough; one that lasts never is."""
    return use.until is not None and now - use.until > KEPT_DAYS * _DAY_SECONDS


def sum_up(uses: Iterable[AddressUse], period: Period) -> list[ProjectUsage]:
    """Return what each project held in a period, by project."""
    by_project: dict[ProjectId, list[AddressUse]] = {}
    for use in uses:
        if period.seconds_of(use) > 0:
            by_project.setdefault(use.project_id, []).append(use)
    return [
        ProjectUsage(
            project_id=project_id,
            addresses=len({use.floating_ip_id for use in mine}),
            held_seconds=sum(period.seconds_of(use) for use in mine),
            used_seconds=sum(period.seconds_of(use) for use in mine if use.in_use),
        )
        for project_id, mine in sorted(by_project.items())
    ]
