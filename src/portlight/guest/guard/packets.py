"""The guard's packets as the model of iptables asks for them, and its answers.

Pure.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Final

from portlight.guest.guard.flows import LOOPBACK, Probe, end
from portlight.guest.guard.proof import Judge, Outcome
from portlight.guest.iptables.packet import ACK, Hook, Packet
from portlight.guest.iptables.rules import RuleSet
from portlight.guest.iptables.verdict import Decision, decide
from portlight.guest.iptables.walk import Step, Verdict

_PROTOCOLS: Final = {"tcp": 6, "udp": 17}
_ICMPV6: Final = 58
"""Assigned numbers (IANA, protocol numbers)."""
_ONE_LINK: Final = 255
"""The hop limit of what no router has passed on (RFC 4861, section 7.1)."""
_ELSEWHERE: Final = ("DNAT", "REDIRECT", "NETMAP", "TPROXY")
_PASSES: Final[Mapping[Verdict, bool | None]] = {
    Verdict.ACCEPT: True,
    Verdict.DROP: False,
    Verdict.REJECT: False,
    Verdict.QUEUE: None,
    Verdict.DEPENDS: None,
}


def judge_by(rulesets: Mapping[int, RuleSet], *, marks_route: bool = False) -> Judge:
    """Return a judge by the rule sets of both families; a family without one lets all pass.

    `marks_route`: whether the route of a packet depends on its mark.
    """
    deciders = {family: cache(partial(decide, ruleset)) for family, ruleset in rulesets.items()}

    def judge(probe: Probe) -> Outcome:
        decider = deciders.get(probe.flow.local.version)
        if decider is None:
            return Outcome(passes=True, why="", basis="")
        decisions = list(_decisions(decider, probe))
        outcomes = [_outcome(decision, probe) for decision in decisions]
        shut = next((one for one in outcomes if one.passes is False), None)
        unsure = next((one for one in outcomes if one.passes is None), None)
        marks = tuple(f"mark {decision.last.mark}" for decision in decisions if marks_route)
        passes = Outcome(passes=True, why="", basis="", route=", ".join(marks))
        return shut or unsure or passes

    return judge


def _decisions(decider: Callable[[Packet], Decision], probe: Probe) -> Iterator[Decision]:
    """Yield what becomes of a packet at each hook; what stays on this server meets two."""
    flow = probe.flow
    ways = (flow.interface, flow.out_interface)
    if flow.way == "through":
        yield decider(_packet(probe, Hook.FORWARD, ways if probe.from_opener else ways[::-1]))
    elif flow.interface == LOOPBACK:
        sent = decider(_packet(probe, Hook.OUTPUT, ("", LOOPBACK)))
        yield sent
        # It comes back as it left, with its connection.
        came_back = replace(sent.last, hook=Hook.INPUT, in_interface=LOOPBACK, out_interface="")
        yield decider(replace(came_back, carried_to=None))
    elif probe.comes_in:
        yield decider(_packet(probe, Hook.INPUT, (flow.interface, "")))
    else:
        yield decider(_packet(probe, Hook.OUTPUT, ("", flow.out_interface)))


def _packet(probe: Probe, hook: Hook, ways: tuple[str | None, str | None]) -> Packet:
    """Return the packet; `ways` are its interfaces, empty where a hook has none."""
    in_interface, out_interface = ways
    if probe.message is not None:
        return Packet(
            hook=hook,
            in_interface=in_interface,
            out_interface=out_interface,
            source=probe.message.source,
            destination=probe.message.destination,
            protocol=_ICMPV6,
            icmp_type=probe.message.type,
            state=probe.state,
            ttl=_ONE_LINK,
        )
    source, source_port = probe.ends[0]
    destination, destination_port = probe.addressed_to
    is_known = probe.state == "ESTABLISHED"
    is_translated = is_known and probe.addressed_to != probe.ends[1]
    has_begun = probe.flow.protocol == "tcp" and (is_known or probe.is_midway)
    return Packet(
        hook=hook,
        in_interface=in_interface,
        out_interface=out_interface,
        source=source,
        destination=destination,
        protocol=_PROTOCOLS[probe.flow.protocol],
        source_port=source_port,
        destination_port=destination_port,
        state=probe.state,
        tcp_flags=ACK if has_begun else None,
        carried_to=probe.ends[1] if is_translated else None,
    )


def _outcome(decision: Decision, probe: Probe) -> Outcome:
    if decision.verdict is Verdict.ACCEPT and (lost := _elsewhere(decision, probe)):
        return lost
    where = _place(decision.table, decision.chain, decision.number, decision.text)
    if decision.depends_on:
        needs = ", ".join(decision.depends_on)
        return Outcome(passes=None, why=f"depends on {needs} ({where})", basis=needs)
    return Outcome(
        passes=_PASSES[decision.verdict],
        why=f"{decision.verdict} by {where}",
        basis=f"{decision.verdict} {decision.table} {decision.chain} {decision.text}",
    )


def _elsewhere(decision: Decision, probe: Probe) -> Outcome | None:
    """Return what is wrong with an accepted packet that does not get to the other end."""
    if probe.message is not None:
        return None
    arrived = (decision.last.destination, decision.last.destination_port)
    step = next((one for one in decision.trail if _translates(one)), None)
    if step is None:
        if arrived == probe.ends[1]:
            return None
        why = f"nobody translates it to {end(*probe.ends[1])} any more"
        return Outcome(passes=False, why=why, basis=why)
    is_redirected = decision.last.hook is Hook.INPUT and "-j REDIRECT" in step.text
    # Whichever own address a redirected packet gets, the port says who receives it.
    if arrived == probe.ends[1] or (is_redirected and arrived[1] == probe.ends[1][1]):
        return None
    where = _place(step.table, step.chain, step.number, step.text)
    return Outcome(passes=False, why=f"sent elsewhere by {where}", basis=step.text)


def _translates(step: Step) -> bool:
    return step.is_certain and any(f"-j {target}" in step.text for target in _ELSEWHERE)


def _place(table: str, chain: str, number: int | None, text: str) -> str:
    if number is None:
        return f"{table} {chain}, policy {text}"
    return f"{table} {chain}, rule {number}: {text}"
