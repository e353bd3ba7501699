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


def prove(flows: Iterable[Flow], before: Judge, after: Judge) -> Proof:
    """Judge every flow under both rule sets."""
    kept: list[Flow] = []
    found: dict[str, list[Finding]] = {place: [] for place in _PLACES}
    for flow in flows:
        finding, place = _worst(flow, before, after)
        if finding is None:
            kept.append(flow)
        else:
            found[place].append(finding)
    return Proof(kept=tuple(kept), **{place: tuple(found[place]) for place in _PLACES})


def _worst(flow: Flow, before: Judge, after: Judge) -> tuple[Finding | None, str]:
    """Return the first packet that is lost; else one in doubt; else one that was shut out."""
    found: dict[str, Finding] = {}
    for probe in probes(flow):
        outcome = after(probe)
        if outcome.passes:
            continue
        earlier = before(probe)
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
