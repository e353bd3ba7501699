"""One guarded change of the firewall or the routes: look around, prove, write down, apply, look.

Whoever is killed on any line here leaves what was there, or the change under a running timer.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from portlight.guest.guard.confirm import applying, confirm, rollback
from portlight.guest.guard.flows import Network
from portlight.guest.guard.history_commands import OK, REFUSED, describe_pending
from portlight.guest.guard.journal import Change, ChangeId, Journal, KeptFile, State
from portlight.guest.guard.proof import Judge, Proof, prove
from portlight.guest.guard.protected import Protected, load_protected
from portlight.guest.guard.report import document, report
from portlight.guest.guard.rollback import ChangeError
from portlight.guest.guard.sessions import current_door
from portlight.guest.guard.surroundings import Surroundings, look_around
from portlight.guest.guard.wishes import Wishes


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What packets meet now, and what they will meet."""

    before: Judge
    after: Judge
    edges: Callable[[], Sequence[Network]]
    """The prefixes that are treated differently, what the change itself names first."""
    touches: Callable[[Protected], bool] = lambda _: True
    """Whether the change can matter to a declaration at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What the kernel made of a change."""

    text: str
    """The state as people see it."""
    judge: Judge | None = None
    """None: exactly what was planned."""
    files: tuple[KeptFile, ...] = ()
    """What keeps it over a restart; none: those of the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to become of the server."""

    outlook: Outlook
    record: Callable[[], Change]
    """What the journal has to know before anything is done."""
    apply: Callable[[], None]
    """Does it in the kernel; raises when that fails."""
    look: Callable[[], Made]


@dataclass(slots=True, kw_only=True)
class _Talk:
    """What is said about one change: to people as it goes, to programs as one document."""

    wishes: Wishes
    facts: dict[str, object] = field(default_factory=dict)

    def foresee(self, proof: Proof, around: Surroundings) -> None:
        """Say what the change would do."""
        if self.wishes.as_json:
            self.facts.update(document(proof, around))
        self.say(*report(proof, around))

    def say(self, *lines: str) -> None:
        """Tell people."""
        if not self.wishes.as_json:
            print("\n".join(lines))

    def end(self, status: int, result: str, line: str) -> int:
        """Say how it ended; return the status."""
        self.say(line)
        if self.wishes.as_json:
            print(json.dumps({"result": result, **self.facts}))
        return status

    def refuse(self) -> int:
        """Say that it is refused."""
        print(
            "refused: nothing was changed. With --force it is applied all the same, and taken"
            " back unless it is confirmed.",
            file=sys.stderr,
        )
        return self.end(REFUSED, "refused", "") if self.wishes.as_json else REFUSED


def change_guarded(request: Request, wishes: Wishes) -> int:
    """Make a change under guard; return the exit status."""
    around = _look_around(request.outlook)
    proof = _foreseen(request.outlook, around)
    refused = not proof.is_safe and not wishes.force
    talk = _Talk(wishes=wishes)
    talk.foresee(proof, around)
    if wishes.dry_run:
        return talk.end(REFUSED if refused else OK, "dry run", "nothing was changed")
    if refused:
        return talk.refuse()
    return _apply(request, talk, around, proof)


def foresee(outlook: Outlook, wishes: Wishes) -> bool:
    """Say what a change would do that has no timer; return whether it may be made."""
    around = _look_around(outlook)
    proof = _foreseen(outlook, around)
    if not proof.is_safe and not wishes.force:
        _Talk(wishes=wishes).foresee(proof, around)
        return False
    return True


def _foreseen(outlook: Outlook, around: Surroundings) -> Proof:
    return prove(around.flows, outlook.before, outlook.after, tuple(map(str, around.untold)))


def _look_around(outlook: Outlook) -> Surroundings:
    around = look_around(current_door(), load_protected(Journal().folder), outlook.edges)
    return replace(around, untold=tuple(filter(outlook.touches, around.untold)))


def _apply(request: Request, talk: _Talk, around: Surroundings, foreseen: Proof) -> int:
    wishes = talk.wishes
    with applying(request.record, wishes.seconds) as begun:
        talk.facts["change"] = begun.id
        request.apply()
        made = request.look()
        begun.settle(after=made.text, files=made.files)
    # Who forces a change wants it whatever becomes of it; who keeps it wants no surprise.
    is_asked = wishes.keep or not wishes.force
    is_safe = not (is_asked and _surprises(request.outlook, around, made))
    if not is_safe and not wishes.force:
        rollback(begun.id, "what was applied would cut off what must stay open")
        return talk.refuse()
    status = OK
    if wishes.keep and is_safe and foreseen.is_safe:
        try:
            confirm(begun.id, alone=True)
            return talk.end(OK, "confirmed", f"change {begun.id} is applied and confirmed")
        except ChangeError as error:
            print(error, file=sys.stderr)
            status = REFUSED
    return _end_pending(talk, begun.id, status)


def _end_pending(talk: _Talk, change: ChangeId, status: int) -> int:
    """Say that a change waits; on a slow server its time may be over by now."""
    record = Journal().load(change)
    if record.state is State.PENDING:
        return talk.end(status, "pending", describe_pending(record))
    result = str(record.state)
    return talk.end(REFUSED, result, f"change {change} is {result}: {record.note}")


def _surprises(outlook: Outlook, around: Surroundings, made: Made) -> bool:
    """Whether the kernel made something of it that cuts somebody off, against the model's word."""
    if made.judge is None:
        return False
    return bool(prove(around.flows, outlook.before, made.judge).refusals)
