"""What the guard says before a change, for people and for programs.

Pure.
"""

from collections.abc import Iterator, Sequence

from portlight.guest.guard.flows import Weight
from portlight.guest.guard.live import MOST_LIVE_FLOWS
from portlight.guest.guard.proof import Finding, Proof
from portlight.guest.guard.surroundings import Surroundings

_MOST_LINES = 20


def report(proof: Proof, around: Surroundings) -> Iterator[str]:
    """Yield the lines for people."""
    yield _door_line(around)
    for flow in proof.kept:
        if flow.weight is Weight.SESSION:
            yield f"stays open: {flow.name}, {flow.ends}"
    declared = [one for one in proof.kept if one.weight is Weight.DECLARED]
    for name in dict.fromkeys(one.name for one in declared):
        count = len({one.remote for one in declared if one.name == name})
        yield f"stays open: {name} (asked with {count} of its addresses)"
    for text in around.unreachable:
        yield f"no route to it now; asked as if there were one: protected: {text}"
    for text in map(str, around.untold):
        yield f"MIGHT BE LOST: protected: {text} has more parts than can be asked about"
    yield from _findings("WOULD BE LOST", proof.refusals)
    yield from _findings("was shut before", _weighty(proof.shut))
    yield from _findings("would die", _live(proof.dying))
    yield from _findings("cannot be foretold", _live(proof.doubtful))
    live = [one for one in proof.kept if one.weight is Weight.LIVE]
    yield f"{len(live)} other live flows stay open"
    if not around.is_complete:
        yield f"there are more: only {MOST_LIVE_FLOWS} live flows were looked at"


def document(proof: Proof, around: Surroundings) -> dict[str, object]:
    """Return the same for programs."""
    return {
        "session": next((one.user for one in around.door.sessions), None),
        "via": around.door.via or None,
        "refused": [_as_document(one) for one in proof.refusals],
        "dying": [_as_document(one) for one in _live(proof.dying)],
        "doubtful": [_as_document(one) for one in _live(proof.doubtful)],
        "shut_before": [_as_document(one) for one in _weighty(proof.shut)],
        "kept": len(proof.kept),
        "unreachable": list(around.unreachable),
        "untold": [str(one) for one in around.untold],
        "complete": around.is_complete,
    }


def _door_line(around: Surroundings) -> str:
    door = around.door
    if door.via:
        return f"you work through {door.via}: no packet carries you, nothing can cut you off"
    if door.sessions:
        ways = (f"{one.socket.remote} -> {one.socket.local}" for one in door.sessions)
        return f"you work through SSH: {' or '.join(ways)}"
    return "you work at this server itself, or nobody can say how; every SSH session is kept"


def _weighty(findings: Sequence[Finding]) -> list[Finding]:
    return [one for one in findings if one.flow.weight is not Weight.LIVE]


def _live(findings: Sequence[Finding]) -> list[Finding]:
    return [one for one in findings if one.flow.weight is Weight.LIVE]


def _findings(word: str, findings: Sequence[Finding]) -> Iterator[str]:
    for one in findings[:_MOST_LINES]:
        yield f"{word}: {one.flow.name}, {one.flow.ends}"
        yield f"    {one.probe.text}: {one.outcome.why}"
    if len(findings) > _MOST_LINES:
        yield f"    and {len(findings) - _MOST_LINES} more"


def _as_document(one: Finding) -> dict[str, object]:
    return {
        "flow": one.flow.ends,
        "name": one.flow.name,
        "packet": one.probe.text,
        "why": one.outcome.why,
        "passes": one.outcome.passes,
    }
