"""Whether flows stay open under new rules, and the packet that shows when one does not.

Pure. A packet counts as lost by a change only if it passed before: a door that was shut already is
told, but is no reason to refuse.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from portlight.guest.guard.flows import Flow, Probe, Weight, probes

_PLACES: Final = ("lost", "doubtful", "shut")
"""Where a finding belongs, the worst first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What rules do with a packet."""

    passes: bool | None
    """None: it depends on something that is known only when the packet comes."""
    why: str
    """Where it is decided: table, chain, rule; or what it depends on."""
    basis: str
    """The same without numbers: a rule that only moved decides as before."""
    route: str = ""
    """What besides its ends may choose the route of a packet that passes."""


Judge = Callable[[Probe], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A flow, the packet that tells about it, and what becomes of that."""

    flow: Flow
    probe: Probe
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a change does to the flows that were looked at."""

    kept: tuple[Flow, ...]
    lost: tuple[Finding, ...]
    """Open before, shut after."""
    doubtful: tuple[Finding, ...]
    """Nobody can say beforehand."""
    shut: tuple[Finding, ...]
    """Shut before and after."""
    untold: tuple[str, ...] = ()
    """What must stay open and could be asked about in part only."""

    @property
    def is_safe(self) -> bool:
        """Whether nothing that must stay open would be lost, or might be."""
        return not (self.refusals or self.untold)

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """What must not be lost, and would be or might be."""
        return tuple(
            one
            for one in (*self.lost, *self.doubtful)
            if one.flow.weight in {Weight.SESSION, Weight.DECLARED}
        )

    @property
    def dying(self) -> tuple[Finding, ...]:
        """The live flows that would be cut."""
        return tuple(one for one in self.lost if one.flow.is_live)


def prove(
    flows: Iterable[Flow], before: Judge, after: Judge, untold: tuple[str, ...] = ()
) -> Proof:
    """Judge every flow under both rule sets."""
    kept: list[Flow] = []
    found: dict[str, list[Finding]] = {place: [] for place in _PLACES}
    for flow in flows:
        finding, place = _worst(flow, before, after)
        if finding is None:
            kept.append(flow)
        else:
            found[place].append(finding)
    findings = {place: tuple(found[place]) for place in _PLACES}
    return Proof(kept=tuple(kept), untold=untold, **findings)


def _worst(flow: Flow, before: Judge, after: Judge) -> tuple[Finding | None, str]:
    """Return the first packet that is lost; else one in doubt; else one that was shut out."""
    found: dict[str, Finding] = {}
    for probe in probes(flow):
        outcome = after(probe)
        if outcome.passes and not outcome.route:
            continue
        earlier = before(probe)
        if outcome.passes:
            if not earlier.passes or earlier.route == outcome.route:
                continue
            outcome = _rerouted(earlier, outcome)
        finding = Finding(flow=flow, probe=probe, outcome=outcome)
        if earlier.passes is False or (earlier.passes, earlier.basis) == (
            outcome.passes,
            outcome.basis,
        ):
            found.setdefault("shut", finding)
        else:
            found.setdefault("lost" if outcome.passes is False else "doubtful", finding)
    place = next((one for one in _PLACES if one in found), "")
    return found.get(place), place


def _rerouted(earlier: Outcome, later: Outcome) -> Outcome:
    """Return the doubt about a packet that passes, and may take another way."""
    why = (
        f"a rule of the routes asks for marks, and instead of {earlier.route} it has {later.route}"
    )
    return Outcome(passes=None, why=why, basis=why)
