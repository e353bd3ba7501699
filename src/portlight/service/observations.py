"""What the hosts report of ports, instances and virtual IPs. Counters are in `counters.py`.

Nothing here changes a revision or wakes an agent: it is not what anybody wants, only what is.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from portlight.core import floating_ips, routers
from portlight.core.floating_ip import FloatingIp
from portlight.core.instance import Instance
from portlight.core.network import Network
from portlight.core.port import Port
from portlight.core.port_security import is_over
from portlight.core.router import Router
from portlight.core.virtual_ip import (
    RECENT_CLAIMS,
    Announcement,
    ClaimPolicy,
    VirtualIp,
    VirtualIpState,
)
from portlight.core.virtual_ips import is_member, judge_contest, observe
from portlight.service.report import AgentReport, ClaimReport, WayReport
from portlight.service.virtual_ips import save_state, state_of
from portlight.service.work import Work
from portlight.store.protocol import Reading

W = TypeVar("W", Router, FloatingIp)

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
    _save_ways(work, Router, report.routers, routers.settled)
    _save_ways(work, FloatingIp, report.floating_ips, floating_ips.settled)


def _save_ways(
    work: Work, kind: type[W], reports: Iterable[WayReport], settled: Callable[[W, int], W]
) -> None:
    """Keep which routers or floating IPs are in place, each in its present revision."""
    seen = {str(report.number): report.revision for report in reports}
    for way in work.tx.find(kind, {"number": list(seen)}) if seen else ():
        changed = settled(way, seen[str(way.number)])
        if changed is not way:
            work.tx.update(way, changed, logged=False)


def is_due(tx: Reading, now: float) -> bool:
    """Whether time has something to end: a grace window, an opening, an alarm."""
    if tx.count(VirtualIpState, {"split_brain": ["yes"]}):
        return True
    retiring = tx.find(Port, {"retiring": ["yes"]})
    return any(
        is_over(port, now) or any(retired.until <= now for retired in port.retired_ips)
        for port in retiring
    )


def save_claims(work: Work, claims: Iterable[ClaimReport]) -> None:
    """Keep who owns which virtual IP now, and raise the alarm when two members fight."""
    for claim in sorted(claims, key=lambda claim: claim.at):
        found = _claimed(work.tx, claim)
        if found is not None:
            _save_claim(work, claim, *found)


def end_alarms(work: Work) -> None:
    """End the alarms of virtual IPs that nobody fights about any more."""
    for state in work.tx.find(VirtualIpState, {"split_brain": ["yes"]}):
        calm = judge_contest(state, state.recent, live_owner=False, now=work.now)
        save_state(work, state, calm)


def _save_claim(work: Work, claim: ClaimReport, virtual_ip: VirtualIp, port: Port) -> None:
    news = Announcement(
        port_id=port.id, mac=claim.mac, kind=claim.kind, accepted=claim.accepted, at=claim.at
    )
    before = state_of(work, virtual_ip.id)
    after = observe(before, news)
    if after.owner_port_id != before.owner_port_id or not claim.accepted:
        after = replace(after, recent=(*after.recent, news)[-RECENT_CLAIMS:])
    judged = judge_contest(
        after,
        after.recent,
        live_owner=virtual_ip.claim_policy in _LIVE_OWNER_POLICIES,
        now=claim.at,
    )
    save_state(work, before, judged)


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
