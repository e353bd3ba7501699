"""One guarded change of the firewall: look around, prove, write down, apply, look again.

Whoever is killed on any line here leaves either the old rules, or new ones under a running timer.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_network

from portlight.guest.guard.boot import kept_files, restores_at_boot
from portlight.guest.guard.confirm import (
    DEFAULT_SECONDS,
    StandsOnError,
    applying,
    confirm,
    rollback,
)
from portlight.guest.guard.connections import save_connections
from portlight.guest.guard.firewall import FAMILIES, Firewall
from portlight.guest.guard.flows import Network
from portlight.guest.guard.history_commands import describe_pending
from portlight.guest.guard.journal import Change, ChangeId, Journal, State
from portlight.guest.guard.packets import judge_by
from portlight.guest.guard.proof import Proof, prove
from portlight.guest.guard.protected import load_protected
from portlight.guest.guard.report import document, report
from portlight.guest.guard.rollback import ChangeError
from portlight.guest.guard.sessions import current_door
from portlight.guest.guard.surroundings import Surroundings, look_around
from portlight.guest.guard.texts import Saved, for_people, rules_only, to_keep, whole
from portlight.guest.iptables.parse import parse_save
from portlight.guest.iptables.render import render_save
from portlight.guest.iptables.rules import Rule, RuleSet
from portlight.guest.iptables.tool import ToolError

OK, REFUSED = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How the caller wants a change to be made."""

    seconds: float = DEFAULT_SECONDS
    force: bool = False
    dry_run: bool = False
    keep: bool = False
    """Confirm at once; only what is proven to cut nobody off."""
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to become of the rules."""

    summary: str
    planned: Mapping[int, RuleSet]
    """The families that change, as they will be."""
    apply: Callable[[], None]
    """Does it in the kernel; ToolError when that fails."""


def read_rules(firewall: Firewall) -> dict[int, str]:
    """Return what both families have now, with counters."""
    return {family: firewall.save(family, counters=True) for family in FAMILIES}


def read_again(firewall: Firewall, seen: Saved) -> dict[int, str]:
    """Return what is there now, under the journal's lock; ChangeError when it is something else.

    What was proven is about the rules that were seen, and so is a rule's number. Bans come and go.
    """
    now = read_rules(firewall)
    if any(to_keep(now[family]) != to_keep(seen[family]) for family in FAMILIES):
        raise ChangeError("the rules were changed meanwhile; nothing was done: run it again")
    return now


def change_firewall(firewall: Firewall, request: Request, now: Saved, wishes: Wishes) -> int:
    """Make a change under guard; return the exit status."""
    before = models(now)
    planned = {**before, **request.planned}
    around = look_around(
        current_door(),
        load_protected(Journal().folder),
        edges_of((*before.values(), *planned.values())),
    )
    proof = prove(around.flows, judge_by(before), judge_by(planned))
    refused = bool(proof.refusals) and not wishes.force
    work = _Work(
        firewall=firewall,
        request=request,
        now=now,
        wishes=wishes,
        planned={family: render_save(one) for family, one in request.planned.items()},
    )
    if wishes.as_json:
        work.facts.update(document(proof, around))
    work.say(*report(proof, around))
    if wishes.dry_run:
        return work.end(REFUSED if refused else OK, "dry run", "nothing was changed")
    if refused:
        return work.refuse()
    return _apply(work, around, proof)


def models(saved: Saved) -> dict[int, RuleSet]:
    """Return saved texts as rule sets."""
    return {family: _model(text, family) for family, text in saved.items()}


@cache
def _model(text: str, family: int) -> RuleSet:
    """Parse a text once: one command asks for the rules as they are several times."""
    return parse_save(text, family)


def edges_of(rulesets: Iterable[RuleSet]) -> tuple[Network, ...]:
    """Return the prefixes that rules tell apart."""
    return tuple(
        dict.fromkeys(
            network
            for ruleset in rulesets
            for _, _, _, rule in ruleset.rules()
            for words in _addresses(rule)
            for network in _networks(words)
        )
    )


def _addresses(rule: Rule) -> Iterator[str]:
    for option in rule.options:
        if option.name in {"-s", "-d"}:
            yield from option.values
    for match in rule.matches:
        if match.name == "iprange":
            for option in match.options:
                yield from (end for value in option.values for end in value.split("-"))


def _networks(text: str) -> Iterator[Network]:
    # A mask with holes has no edges; such a rule is rare enough to be left to the timer.
    with suppress(ValueError):
        yield ip_network(text, strict=False)


@dataclass(slots=True, kw_only=True)
class _Work:
    """One change on its way, and what is said about it."""

    firewall: Firewall
    request: Request
    now: Saved
    wishes: Wishes
    planned: Saved
    """The families that change, as text."""
    facts: dict[str, object] = field(default_factory=dict)

    def say(self, *lines: str) -> None:
        """Tell people; programs get one document at the end."""
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

    def way_back(self, now: Saved) -> dict[int, str]:
        """Return what undoes the change, by family."""
        return {family: whole(now[family], [text]) for family, text in self.planned.items()}

    def record(self) -> Change:
        """Return what the journal has to know before anything is done."""
        now = read_again(self.firewall, self.now)
        return Change(
            kind="firewall",
            summary=self.request.summary,
            undo=tuple(
                self.firewall.restore_step(family, text)
                for family, text in self.way_back(now).items()
            ),
            before=for_people(now),
            flows=save_connections(),
        )


def _apply(work: _Work, around: Surroundings, foreseen: Proof) -> int:
    _check_way_back(work)
    with applying(work.record, work.wishes.seconds) as begun:
        work.facts["change"] = begun.id
        work.request.apply()
        after = read_rules(work.firewall)
        files = kept_files(Journal().folder, work.firewall, after)
        begun.settle(after=for_people(after), files=files)
    wishes = work.wishes
    is_certain = not wishes.force or wishes.keep
    is_safe = not (is_certain and _surprises(work, around, after))
    try:
        if not is_safe and not wishes.force:
            rollback(begun.id, "what was applied would cut off what must stay open")
            return work.refuse()
        if wishes.keep and is_safe and not foreseen.refusals:
            confirm(begun.id, alone=True)
            restores_at_boot(Journal().folder)
            return work.end(OK, "confirmed", f"change {begun.id} is applied and confirmed")
    except StandsOnError as error:
        print(error, file=sys.stderr)
        return _end_pending(work, begun.id, REFUSED)
    return _end_pending(work, begun.id, OK)


def _end_pending(work: _Work, change: ChangeId, status: int) -> int:
    """Say that a change waits; on a slow server its time may be over by now."""
    record = Journal().load(change)
    if record.state is State.PENDING:
        return work.end(status, "pending", describe_pending(record))
    return work.end(REFUSED, str(record.state), f"change {change} is {record.state}: {record.note}")


def _check_way_back(work: _Work) -> None:
    """Let the tool read the way back before it is needed."""
    try:
        for family, text in work.way_back(work.now).items():
            work.firewall.check(family, text)
    except ToolError as error:
        raise ChangeError(
            "nothing was changed: there would be no way back, iptables-restore refuses the rules"
            f" of now: {error}"
        ) from error


def _surprises(work: _Work, around: Surroundings, after: Saved) -> bool:
    """Whether the kernel made something of it that cuts somebody off, against the model's word."""
    if all(rules_only(after[family]) == rules_only(text) for family, text in work.planned.items()):
        return False
    return bool(prove(around.flows, judge_by(models(work.now)), judge_by(models(after))).refusals)
