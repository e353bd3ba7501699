"""What the host shows, as reports: only what is different from what was said before."""

from collections.abc import Iterable

from portlight.agent.host import Host
from portlight.client.agent import (
    ClaimReport,
    CounterReport,
    InstanceReport,
    MirrorReport,
    PortReport,
    WayReport,
)
from portlight.core.instance import InstanceStatus
from portlight.core.port import PortStatus
from portlight.dataplane.bpf.abi import ClaimKind
from portlight.dataplane.bpf.claims import Claim
from portlight.dataplane.instances.values import GuestState
from portlight.plan.host import HostPlan, InstancePlan
from portlight.values.ids import InstanceId

_KINDS = {
    ClaimKind.ARP: "arp",
    ClaimKind.NEIGHBOUR: "neighbour_advertisement",
    ClaimKind.VRRP: "vrrp",
}
_NANOSECONDS = 1_000_000_000


class Observer:
    """Remembers what was said, so that nothing is said twice."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.forget()

    def forget(self) -> None:
        """Say everything again: the server has a new life."""
        self._ports: dict[int, PortReport] = {}
        self._instances: dict[str, InstanceReport] = {}
        self._routers: dict[int, int] = {}
        """Revisions that were said to be in place, by number; so are the next."""
        self._floating_ips: dict[int, int] = {}
        self._counters: dict[tuple[int, str, str | None], CounterReport] = {}
        self._mirrors: frozenset[MirrorReport] = frozenset()

    def ports(self, plan: HostPlan) -> list[PortReport]:
        """Return the ports whose status is another than said."""
        settled = self._host.settled_ports()
        servers = {server.port_number for server in plan.dhcp.values()}
        seen = {
            number: PortReport(number=number, status=_port_status(plan, number, settled))
            for number in plan.ports.keys() | servers
        } | _leg_reports(plan, settled, self._routers_in_place(plan))
        gone = {
            number: PortReport(number=number, status=PortStatus.DOWN)
            for number in self._ports
            if number not in seen
        }
        news = [one for number, one in seen.items() if self._ports.get(number) != one]
        self._ports = seen
        return news + list(gone.values())

    def _routers_in_place(self, plan: HostPlan) -> frozenset[int]:
        """Return the routers whose legs lead on: a NAT gateway with its public address."""
        missing = plan.public_addresses.keys() - self._host.settled_addresses()
        torn = {number for number, _ in missing if number not in plan.router_revisions}
        return self._host.settled_routers() - torn

    def routers(self, plan: HostPlan) -> list[WayReport]:
        """Return the routers that are in place now; one that has nothing here is so at once."""
        settled = self._host.settled_routers()
        seen = {
            number: revision
            for number, revision in plan.router_revisions.items()
            if number in settled or number not in plan.routers
        }
        news = seen.items() - self._routers.items()
        self._routers = seen
        return [WayReport(number=number, revision=revision) for number, revision in news]

    def floating_ips(self, plan: HostPlan) -> list[WayReport]:
        """Return the floating IPs that lead where they shall now."""
        settled = self._host.settled_addresses()
        seen = {
            number: one.revision
            for number, one in plan.floating_ips.items()
            if one.key is None or one.key in settled
        }
        news = seen.items() - self._floating_ips.items()
        self._floating_ips = seen
        return [WayReport(number=number, revision=revision) for number, revision in news]

    def instances(self, plan: HostPlan) -> list[InstanceReport]:
        """Return the instances that are otherwise than said."""
        states = self._host.instances.states()
        failing = self._host.failing_instances()
        seen = {
            key: _instance_report(key, wanted, states.get(key), failed=key in failing)
            for key, wanted in plan.instances.items()
        }
        news = [one for key, one in seen.items() if self._instances.get(key) != one]
        self._instances = {str(key): one for key, one in seen.items()}
        return news

    def counters(self) -> list[CounterReport]:
        """Return the counters that have moved."""
        reports: dict[tuple[int, str, str | None], CounterReport] = {}
        for one in self._host.tables.counters.read():
            reason = one.reason.label if one.reason else None
            reports[one.port, one.direction, reason] = CounterReport(
                port=one.port,
                direction=one.direction,
                reason=reason,
                packets=one.packets,
                bytes=one.bytes,
            )
        for drops in self._host.leg_counters.read():
            reason = drops.reason.label
            # Ingress: it had come out of the network's bridge, toward the router.
            reports[drops.port, "ingress", reason] = CounterReport(
                port=drops.port,
                direction="ingress",
                reason=reason,
                packets=drops.packets,
                bytes=drops.bytes,
            )
        news = [one for key, one in reports.items() if self._counters.get(key) != one]
        self._counters = reports
        return news

    def mirrors(self) -> list[MirrorReport]:
        """Return what became of copies, where it has moved."""
        reports = frozenset(
            MirrorReport(
                session=one.session,
                port=one.port,
                direction=one.direction,
                outcome=one.outcome.name.lower(),
                packets=one.packets,
                bytes=one.bytes,
            )
            for one in self._host.tables.mirror_counters.read()
        )
        news = reports - self._mirrors
        self._mirrors = reports
        return list(news)


def claim_reports(claims: Iterable[Claim], *, now: float, monotonic: float) -> list[ClaimReport]:
    """Return the claims as reports; both times are of the same moment, in seconds."""
    return [
        ClaimReport(
            network=claim.network,
            address=str(claim.address),
            port=claim.port,
            mac=str(claim.mac),
            kind=_KINDS[claim.kind],
            accepted=claim.accepted,
            at=now - (monotonic - claim.at_ns / _NANOSECONDS),
            priority=claim.priority if claim.kind is ClaimKind.VRRP else None,
        )
        for claim in claims
    ]


def _leg_reports(
    plan: HostPlan, settled: frozenset[int], routers: frozenset[int]
) -> dict[int, PortReport]:
    """Return how the interfaces of routers are: a leg is nothing without its router."""
    reports = {}
    for number, router in plan.routers.items():
        for leg in router.legs:
            is_there = leg.port_number in settled and number in routers
            status = PortStatus.ACTIVE if is_there else PortStatus.BUILD
            reports[leg.port_number] = PortReport(
                number=leg.port_number, status=status if leg.up else PortStatus.DOWN
            )
    return reports


def _port_status(plan: HostPlan, number: int, settled: frozenset[int]) -> str:
    port = plan.ports.get(number)
    if (port is not None and not port.up) or _is_idle(plan, number):
        return PortStatus.DOWN
    return PortStatus.ACTIVE if number in settled else PortStatus.BUILD


def _is_idle(plan: HostPlan, number: int) -> bool:
    """Whether the port belongs to an instance that is to be stopped: nobody is plugged in."""
    link = plan.links.get(number)
    guest = plan.instances.get(link.instance) if link else None
    return guest is not None and not guest.running


def _instance_report(
    key: InstanceId, wanted: InstancePlan, state: GuestState | None, *, failed: bool
) -> InstanceReport:
    running = state is not None and state.init_pid is not None
    return InstanceReport(
        id=key,
        status=_instance_status(wanted, running=running, failed=failed),
        namespace=state.namespace if state else "",
        init_pid=state.init_pid if state else None,
    )


def _instance_status(wanted: InstancePlan, *, running: bool, failed: bool) -> str:
    if failed:
        return InstanceStatus.ERROR
    if not wanted.running and not running:
        return InstanceStatus.STOPPED
    return InstanceStatus.ACTIVE if wanted.running and running else InstanceStatus.BUILD
