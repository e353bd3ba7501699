"""The guard's packets as the model of iptables asks for them, and its answers.

Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from portlight.guest.guard.flows import Probe
from portlight.guest.guard.proof import Judge, Outcome
from portlight.guest.iptables.packet import ACK, Hook, Packet
from portlight.guest.iptables.rules import RuleSet
from portlight.guest.iptables.verdict import Decision, Verdict, decide

_PROTOCOLS: Final = {"tcp": 6, "udp": 17}
"""Assigned numbers (IANA, protocol numbers)."""
_ELSEWHERE: Final = ("DNAT", "REDIRECT", "NETMAP", "TPROXY")
_PASSES: Final[Mapping[Verdict, bool | None]] = {
    Verdict.ACCEPT: True,
    Verdict.DROP: False,
    Verdict.REJECT: False,
    Verdict.QUEUE: None,
    Verdict.DEPENDS: None,
}


def judge_by(rulesets: Mapping[int, RuleSet]) -> Judge:
    """Return a judge by the rule sets of both families; a family without one lets all pass."""

    def judge(probe: Probe) -> Outcome:
        ruleset = rulesets.get(probe.flow.local.version)
        passes = Outcome(passes=True, why="", basis="")
        if ruleset is None:
            return passes
        outcomes = [_outcome(decide(ruleset, packet)) for packet in packets(probe)]
        shut = next((one for one in outcomes if one.passes is False), None)
        return shut or next((one for one in outcomes if one.passes is None), passes)

    return judge


def packets(probe: Probe) -> Iterator[Packet]:
    """Yield the packet at each hook it meets; what stays on this server meets two."""
    flow = probe.flow
    if flow.way == "through":
        yield _forwarded(probe)
        return
    if not probe.comes_in or flow.interface == "lo":
        yield replace(_packet(probe, Hook.OUTPUT), out_interface=flow.interface)
    if probe.comes_in or flow.interface == "lo":
        yield replace(_packet(probe, Hook.INPUT), in_interface=flow.interface)


def _forwarded(probe: Probe) -> Packet:
    flow = probe.flow
    ways = (flow.interface, flow.out_interface)
    came, goes = ways if probe.from_opener else ways[::-1]
    return replace(_packet(probe, Hook.FORWARD), in_interface=came, out_interface=goes)


def _packet(probe: Probe, hook: Hook) -> Packet:
    (source, source_port), (destination, destination_port) = probe.ends
    tracked_answer = probe.flow.protocol == "tcp" and probe.state == "ESTABLISHED"
    return Packet(
        hook=hook,
        source=source,
        destination=destination,
        protocol=_PROTOCOLS[probe.flow.protocol],
        source_port=source_port,
        destination_port=destination_port,
        state=probe.state,
        tcp_flags=ACK if tracked_answer else None,
    )


def _outcome(decision: Decision) -> Outcome:
    elsewhere = next(
        (
            step
            for step in decision.trail
            if step.is_certain and any(f"-j {target}" in step.text for target in _ELSEWHERE)
        ),
        None,
    )
    if elsewhere is not None and decision.verdict is Verdict.ACCEPT:
        where = _place(elsewhere.table, elsewhere.chain, elsewhere.number, elsewhere.text)
        return Outcome(passes=False, why=f"sent elsewhere by {where}", basis=elsewhere.text)
    where = _place(decision.table, decision.chain, decision.number, decision.text)
    if decision.depends_on:
        needs = ", ".join(decision.depends_on)
        return Outcome(passes=None, why=f"depends on {needs} ({where})", basis=needs)
    return Outcome(
        passes=_PASSES[decision.verdict],
        why=f"{decision.verdict} by {where}",
        basis=f"{decision.verdict} {decision.table} {decision.chain} {decision.text}",
    )


def _place(table: str, chain: str, number: int | None, text: str) -> str:
    if number is None:
        return f"{table} {chain}, policy {text}"
    return f"{table} {chain}, rule {number}: {text}"
