"""What the hosts report: statuses and virtual IP owners are kept, counters are only remembered.

Nothing here changes a revision or wakes an agent: it is not what anybody wants, only what is.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from portlight.core.instance import Instance
from portlight.core.network import Network
from portlight.core.port import Port
from portlight.core.security_group import Direction
from portlight.core.virtual_ip import ClaimPolicy, VirtualIp, VirtualIpState
from portlight.core.virtual_ips import Announcement, is_member, judge_contest, observe
from portlight.service.report import (
    AgentReport,
    ClaimReport,
    Count,
    CounterReport,
    HostState,
    PortCounters,
)
from portlight.service.virtual_ips import save_state, state_of
from portlight.service.work import Work
from portlight.store.protocol import Reading
from portlight.values.ids import HostName, VirtualIpId

RECENT_CLAIMS = 32
_LIVE_OWNER_POLICIES = (ClaimPolicy.FIRST, ClaimPolicy.PRIORITY)


def save_statuses(work: Work, report: AgentReport) -> None:
    """Keep the statuses of ports and instances that are (still) on the reporting host."""
    wanted = {str(port.number): port.status for port in report.ports}
    for port in work.tx.find(Port, {"number": list(wanted)}) if wanted else ():
        status = wanted[str(port.number)]
        if port.host == report.host and port.status != status:
            work.tx.update(port, replace(port, status=status), logged=False)
    for news in report.instances:
        instance = work.tx.get(Instance, news.id)
        if instance is None or instance.host != report.host:
            continue
        seen = replace(
            instance, status=news.status, namespace=news.namespace, init_pid=news.init_pid
        )
        if seen != instance:
            work.tx.update(instance, seen, logged=False)


def is_due(tx: Reading, now: float) -> bool:
    """Whether time has something to end: a grace window, an alarm."""
    if tx.count(VirtualIpState, {"split_brain": ["yes"]}):
        return True
    retiring = tx.find(Port, {"retiring": ["yes"]})
    return any(retired.until <= now for port in retiring for retired in port.retired_ips)


class Contests:
    """The latest claims of each virtual IP, for the split-brain alarm. Thread-safe by the store."""

    def __init__(self) -> None:
        self._recent: defaultdict[VirtualIpId, deque[Announcement]] = defaultdict(
            lambda: deque(maxlen=RECENT_CLAIMS)
        )

    def save_claims(self, work: Work, claims: Iterable[ClaimReport]) -> None:
        """Keep who owns which virtual IP now, and raise the alarm when two members fight."""
        for claim in sorted(claims, key=lambda claim: claim.at):
            found = _claimed(work.tx, claim)
            if found is not None:
                self._save_claim(work, claim, *found)

    def end_alarms(self, work: Work) -> None:
        """End the alarms of virtual IPs that nobody fights about any more."""
        for state in work.tx.find(VirtualIpState, {"split_brain": ["yes"]}):
            recent = tuple(self._recent[state.virtual_ip_id])
            calm = judge_contest(state, recent, live_owner=False, now=work.now)
            save_state(work, state, calm)

    def _save_claim(
        self, work: Work, claim: ClaimReport, virtual_ip: VirtualIp, port: Port
    ) -> None:
        news = Announcement(
            port_id=port.id, mac=claim.mac, kind=claim.kind, accepted=claim.accepted, at=claim.at
        )
        before = state_of(work, virtual_ip.id)
        after = observe(before, news)
        if after.owner_port_id != before.owner_port_id or not claim.accepted:
            self._recent[virtual_ip.id].append(news)
        judged = judge_contest(
            after,
            tuple(self._recent[virtual_ip.id]),
            live_owner=virtual_ip.claim_policy in _LIVE_OWNER_POLICIES,
            now=claim.at,
        )
        save_state(work, before, judged)


class Counters:
    """The latest counters and the latest words of each host, in memory. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[int, dict[tuple[Direction, str | None], Count]] = {}
        self._hosts: dict[HostName, HostState] = {}

    def note(self, report: AgentReport, now: float) -> None:
        """Remember a report; counters are totals and replace what was known."""
        with self._lock:
            self._hosts[report.host] = HostState(
                host=report.host,
                reported_at=now,
                applied_sequence=report.applied_sequence,
                errors=report.errors,
            )
            for counter in report.counters:
                ways = self._counts.setdefault(counter.port, {})
                ways[counter.direction, counter.reason] = _count(counter)

    def of_port(self, port: Port) -> PortCounters:
        """Return the counters of one port, all zero when nothing was reported."""
        with self._lock:
            ways = dict(self._counts.get(port.number, {}))
        return PortCounters(
            port_id=port.id,
            port_number=port.number,
            project_id=port.meta.project_id,
            allowed={direction: ways.get((direction, None), Count()) for direction in Direction},
            dropped={
                direction: {
                    reason: count
                    for (way, reason), count in sorted(ways.items(), key=str)
                    if way is direction and reason is not None
                }
                for direction in Direction
            },
        )

    def of_all(self, tx: Reading) -> list[PortCounters]:
        """Return the counters of every port that exists and was reported, by port number."""
        with self._lock:
            numbers = [str(number) for number in self._counts]
        found = tx.find(Port, {"number": numbers}) if numbers else []
        gone = set(numbers) - {str(port.number) for port in found}
        with self._lock:
            for number in gone:
                self._counts.pop(int(number), None)
        return [self.of_port(port) for port in sorted(found, key=lambda port: port.number)]

    def hosts(self) -> Sequence[HostState]:
        """Return what every host said last."""
        with self._lock:
            return sorted(self._hosts.values(), key=lambda state: state.host)


def _claimed(tx: Reading, claim: ClaimReport) -> tuple[VirtualIp, Port] | None:
    """Return the virtual IP of a claim and the member that made it, if both still are."""
    networks = tx.find(Network, {"number": [str(claim.network)]})
    ports = tx.find(Port, {"number": [str(claim.port)]})
    if not networks or not ports:
        return None
    found = tx.find(VirtualIp, {"network_id": [networks[0].id], "address": [str(claim.address)]})
    if not found or not is_member(found[0], ports[0].id):
        return None
    return found[0], ports[0]


def _count(counter: CounterReport) -> Count:
    return Count(packets=counter.packets, bytes=counter.bytes)
