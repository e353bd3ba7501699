"""Brings about what is intended: once, after a restart, or for as long as the server runs."""

import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from portlight.guest.guard.confirm import pending
from portlight.guest.routes.follow import Then, follow
from portlight.guest.routes.intent import Intent, load_intent
from portlight.guest.routes.policy import Policy, policy_commands, present_policy
from portlight.guest.routes.remedies import REMEDIES, plan_remedies
from portlight.guest.routes.snapshot import ToolError, read_snapshot, run_tool
from portlight.guest.routes.values import Command, RoutesError, Snapshot

_FIRST: Final = "policy-routing"
"""Before the others: its tables remember the gateways that another remedy deletes."""
_ONCE: Final = frozenset({"forwarding", "mtu"})
"""Done at the start and then left alone: a failover switches forwarding on, people change MTUs."""
_ATTEMPTS: Final = 3
_LOOK_SECONDS: Final = 0.5
"""How often is looked whether a change still waits for its confirmation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was needed, and what could not be done now."""

    commands: tuple[Command, ...] = ()
    problems: tuple[str, ...] = ()
    left: frozenset[str] = frozenset()
    """The remedies of the problems."""


def switch_policy(*, on: bool) -> None:
    """Bring tables and rules to what they should be, or remove them all."""
    _bring_about(lambda snapshot: switching(snapshot, on=on))


def switching(snapshot: Snapshot, *, on: bool) -> tuple[Command, ...]:
    """Return the commands that switch policy routing on or off."""
    if on:
        return plan_remedies(snapshot, (_FIRST,)).apply
    return tuple(policy_commands(present_policy(snapshot), Policy()))


def follow_policy() -> None:
    """Keep policy routing up to date until this process ends."""

    def catch_up() -> Then:
        switch_policy(on=True)
        return Then.CHANGE

    follow(catch_up)


def restore() -> Restored:
    """Apply what is intended, each remedy by itself; what is not possible now stops no other.

    A change that waits for its confirmation is waited for: what it did is not to be undone.
    """
    while pending("routes"):
        time.sleep(_LOOK_SECONDS)
    intent = load_intent()
    return _restore(intent, intent.kinds)


def follow_intent() -> None:
    """Keep what is intended; return when nothing is, or nothing of it is to be followed."""
    done: set[str] = set()

    def catch_up() -> Then:
        intent = load_intent()
        if intent.kinds and pending("routes"):
            return Then.SOON
        wanted = [kind for kind in intent.kinds if kind not in _ONCE & done]
        restored = _restore(intent, wanted)
        for command in restored.commands:
            print(shlex.join(command), flush=True)
        done.update({*wanted} - restored.left)
        if restored.problems:
            raise RoutesError("; ".join(restored.problems))
        return Then.CHANGE if {*intent.kinds} - _ONCE else Then.END

    follow(catch_up)


def _restore(intent: Intent, kinds: Iterable[str]) -> Restored:
    commands: list[Command] = []
    problems: dict[str, str] = {}
    for kind in sorted(kinds, key=lambda one: one != _FIRST):
        try:
            commands += _bring_about(_plan_of(kind, intent.keep))
        except RoutesError as error:
            problems[kind] = f"{kind}: {error}"
    return Restored(
        commands=tuple(commands), problems=tuple(problems.values()), left=frozenset(problems)
    )


def _plan_of(kind: str, keep: str) -> Callable[[Snapshot], Sequence[Command]]:
    if kind not in REMEDIES:
        raise RoutesError("this version knows no such remedy")
    return lambda snapshot: plan_remedies(snapshot, (kind,), keep).apply


def _bring_about(plan: Callable[[Snapshot], Sequence[Command]]) -> Sequence[Command]:
    """Run what the network of now needs; return it."""
    for attempt in range(_ATTEMPTS):
        commands = plan(read_snapshot())
        try:
            for command in commands:
                run_tool(*command)
        except ToolError:
            # An interface or address went between looking and doing: look again.
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return commands
    return ()
