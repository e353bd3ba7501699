"""A change of the firewall as the guard makes it: both families' rules, before and after."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from portlight.guest.guard.boot import kept_files
from portlight.guest.guard.connections import save_connections
from portlight.guest.guard.edges import edges_of
from portlight.guest.guard.firewall import FAMILIES, Firewall
from portlight.guest.guard.guarded import Made, Outlook, Request, change_guarded
from portlight.guest.guard.journal import Change, Journal
from portlight.guest.guard.packets import judge_by
from portlight.guest.guard.rollback import ChangeError
from portlight.guest.guard.texts import Saved, for_people, has_same_rules, rules_only, whole
from portlight.guest.guard.touch import touching
from portlight.guest.guard.ways import has_mark_rules
from portlight.guest.guard.wishes import Wishes
from portlight.guest.iptables.parse import parse_save
from portlight.guest.iptables.render import render_save
from portlight.guest.iptables.rules import RuleSet
from portlight.guest.iptables.tool import ToolError


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRules:
    """What is to become of the rules."""

    summary: str
    planned: Mapping[int, RuleSet]
    """The families that change, as they will be."""
    apply: Callable[[], None]
    """Does it in the kernel; ToolError when that fails."""


def read_rules(firewall: Firewall) -> dict[int, str]:
    """Return what both families have now, with counters."""
    return {family: firewall.save(family, counters=True) for family in FAMILIES}


def change_firewall(firewall: Firewall, new: NewRules, now: Saved, wishes: Wishes) -> int:
    """Make a change under guard; return the exit status."""
    before = models(now)
    after = {**before, **new.planned}
    marked = has_mark_rules()
    texts = {family: render_save(one) for family, one in new.planned.items()}

    def record() -> Change:
        fresh = read_again(firewall, now)
        back = {family: whole(fresh[family], [text]) for family, text in texts.items()}
        _check_way_back(firewall, back)
        return Change(
            kind="firewall",
            summary=new.summary,
            undo=tuple(firewall.restore_step(*step) for step in back.items()),
            before=for_people(fresh),
            backend=firewall.backend,
            flows=save_connections(),
        )

    def look() -> Made:
        made = read_rules(firewall)
        as_planned = all(rules_only(made[one]) == rules_only(text) for one, text in texts.items())
        return Made(
            text=for_people(made),
            judge=None if as_planned else judge_by(models(made), marks_route=marked),
            files=kept_files(Journal().folder, firewall, made),
        )

    outlook = Outlook(
        before=judge_by(before, marks_route=marked),
        after=judge_by(after, marks_route=marked),
        edges=lambda: edges_of(before, after),
        touches=touching(before, after),
    )
    request = Request(outlook=outlook, record=record, apply=new.apply, look=look)
    return change_guarded(request, wishes)


def read_again(firewall: Firewall, seen: Saved) -> dict[int, str]:
    """Return what is there now, under the journal's lock; ChangeError when it is something else.

    What was proven is about the rules that were seen, and so is a rule's number. Bans come and go.
    """
    now = read_rules(firewall)
    if not all(has_same_rules(now[family], seen[family]) for family in FAMILIES):
        raise ChangeError("the rules were changed meanwhile; nothing was done: run it again")
    return now


def _check_way_back(firewall: Firewall, back: Saved) -> None:
    """Let the tool read the way back before it is needed."""
    try:
        for family, text in back.items():
            firewall.check(family, text)
    except ToolError as error:
        raise ChangeError(
            "nothing was changed: there would be no way back, iptables-restore refuses the rules"
            f" of now: {error}"
        ) from error


def models(saved: Saved) -> dict[int, RuleSet]:
    """Return saved texts as rule sets."""
    return {family: _model(text, family) for family, text in saved.items()}


@cache
def _model(text: str, family: int) -> RuleSet:
    """Parse a text once: one command asks for the rules as they are several times."""
    return parse_save(text, family)
