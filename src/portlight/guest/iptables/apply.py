"""What a rule set becomes by a command of iptables.

Pure. `apply` either returns the new rule set or raises CommandError with iptables' own words; it
never changes half of anything.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from portlight.guest.iptables.command import Command
from portlight.guest.iptables.names import TCP
from portlight.guest.iptables.problems import (
    CommandError,
    Status,
    kernel_problem,
    parameter_problem,
    plain_problem,
)
from portlight.guest.iptables.rules import (
    BUILTIN_CHAINS,
    ZERO,
    Chain,
    Extension,
    Option,
    Rule,
    RuleSet,
    Table,
    empty_table,
    in_listing_order,
)
from portlight.guest.iptables.saved_rules import outline_text, outlines, spliced, target_of
from portlight.guest.iptables.spelling import rule_text
from portlight.guest.iptables.targets import POLICIES, TARGETS

_NO_CHAIN: Final = "No chain/target/match by that name"
_BAD_RULE: Final = "Bad rule (does a matching rule exist in that chain?)"
_RULE_ERRNO: Final = {
    "-A": "RULE_APPEND",
    "-I": "RULE_INSERT",
    "-R": "RULE_REPLACE",
}

Change = Callable[[Table, Command], Table]


def apply(ruleset: RuleSet, command: Command) -> RuleSet:
    """Return the rule set after a command; one that only reads leaves it as it is."""
    table = _table(ruleset, command.table)
    if command.action == "-C":
        _check(table, command)
    change = _CHANGES.get("-Z" if command.zeroes else command.action)
    if change is None:
        return ruleset
    changed = change(table, command)
    return replace(ruleset, tables={**ruleset.tables, table.name: changed})


def _table(ruleset: RuleSet, name: str) -> Table:
    if name in ruleset.tables:
        return ruleset.tables[name]
    if name in BUILTIN_CHAINS:
        return empty_table(name)
    upgrade = "Perhaps iptables or your kernel needs to be upgraded.\n"
    raise CommandError(
        f"{{banner}}: table '{name}' does not exist\n{upgrade}",
        Status.VERSION_PROBLEM,
        legacy=CommandError(
            f"{{banner}}: can't initialize iptables table `{name}': "
            f"Table does not exist (do you need to insmod?)\n{upgrade}",
            Status.VERSION_PROBLEM,
        ),
    )


def _chain(table: Table, command: Command, complaint: str = _NO_CHAIN) -> Chain:
    chain = table.chains.get(command.chain or "")
    if chain is None:
        raise plain_problem(complaint)
    return chain


def _with_chain(table: Table, chain: Chain) -> Table:
    return replace(table, chains={**table.chains, chain.name: chain})


def _with_rules(table: Table, chain: Chain, rules: Sequence[Rule]) -> Table:
    return _with_chain(table, replace(chain, rules=rules))


def _append(table: Table, command: Command) -> Table:
    _check_target(table, command)
    chain = _chain(table, command)
    end = len(chain.rules)
    rules = spliced(chain.rules, end, end, command.rules)
    return _without_loop(_with_rules(table, chain, rules), command)


def _insert(table: Table, command: Command) -> Table:
    _check_target(table, command)
    chain = _chain(table, command)
    place = (command.number or 1) - 1
    if place > len(chain.rules):
        raise plain_problem("Index of insertion too big")
    # Each of several addresses is put at the same place: the last one comes first.
    rules = spliced(chain.rules, place, place, command.rules[::-1])
    return _without_loop(_with_rules(table, chain, rules), command)


def _replace(table: Table, command: Command) -> Table:
    _check_target(table, command)
    chain = _chain(table, command)
    place = (command.number or 1) - 1
    if place >= len(chain.rules):
        raise plain_problem("Index of replacement too big")
    rules = spliced(chain.rules, place, place + 1, command.rules)
    return _without_loop(_with_rules(table, chain, rules), command)


def _delete(table: Table, command: Command) -> Table:
    if not command.rules:
        chain = _chain(table, command)
        place = (command.number or 1) - 1
        if place >= len(chain.rules):
            raise plain_problem("Index of deletion too big")
        return _with_rules(table, chain, spliced(chain.rules, place, place + 1))
    chain = _chain(table, command, _BAD_RULE)
    rules = chain.rules
    for wanted in command.rules:
        place = _place_of(wanted, rules)
        rules = spliced(rules, place, place + 1)
    return _with_rules(table, chain, rules)


def _check(table: Table, command: Command) -> None:
    """Refuse unless every rule is there: iptables' meaning of -C."""
    chain = _chain(table, command, _BAD_RULE)
    for wanted in command.rules:
        _place_of(wanted, chain.rules)


def _place_of(wanted: Rule, rules: Sequence[Rule]) -> int:
    bare, text = replace(wanted, counters=ZERO), rule_text(wanted)
    for place, outline in enumerate(outlines(rules)):
        # Equal rules have one text: only those are read that have it.
        if outline_text(outline) == text and replace(rules[place], counters=ZERO) == bare:
            return place
    raise plain_problem(_BAD_RULE)


def _check_target(table: Table, command: Command) -> None:
    """Refuse a rule that leads to a chain that is missing or built in."""
    target = command.rules[0].target
    if target is None:
        return
    if target.name in TARGETS and not command.rules[0].is_goto:
        _check_place(target, command)
        return
    chain = table.chains.get(target.name)
    if chain is None and (command.rules[0].is_goto or not target.options):
        raise _missing_target(target.name, is_goto=command.rules[0].is_goto)
    if chain is not None and chain.policy is not None:
        raise kernel_problem(
            f"{_RULE_ERRNO[command.action]} failed (Operation not supported): "
            f"rule in chain {command.chain}",
            "Invalid argument. Run `dmesg' for more information.",
        )


def _check_place(target: Extension, command: Command) -> None:
    """Refuse a target that the kernel does not take in this table, chain or with this protocol."""
    kind = TARGETS[target.name]
    protocol = next((each for each in command.rules[0].options if each.name == "-p"), None)
    resets = target.value("--reject-with") == "tcp-reset" if target.options else False
    is_builtin = command.chain in BUILTIN_CHAINS[command.table]
    if (
        (kind.table is not None and kind.table != command.table)
        or (is_builtin and kind.chains is not None and command.chain not in kind.chains)
        or (resets and (protocol is None or protocol != Option("-p", (str(TCP),))))
    ):
        raise kernel_problem(
            f"{_RULE_ERRNO[command.action]} failed (Invalid argument): "
            f"rule in chain {command.chain}",
            "Invalid argument. Run `dmesg' for more information.",
        )


def _missing_target(name: str, *, is_goto: bool) -> CommandError:
    said = parameter_problem(f"Chain '{name}' does not exist")
    legacy = (
        f"goto '{name}' is not a chain"
        if is_goto
        else f"Couldn't load target `{name}':No such file or directory\n"
    )
    return CommandError(said.message, said.status, legacy=parameter_problem(legacy))


def _without_loop(table: Table, command: Command) -> Table:
    """Refuse a way from a built-in chain that leads into a circle; the kernel would."""
    for chain in table.chains.values():
        if chain.policy is not None and _has_circle(table, chain, path=()):
            raise kernel_problem(
                f"{_RULE_ERRNO[command.action]} failed (Too many links): "
                f"rule in chain {command.chain}",
                "Too many levels of symbolic links.",
            )
    return table


def _has_circle(table: Table, chain: Chain, path: tuple[str, ...]) -> bool:
    if chain.name in path:
        return True
    names = {target_of(outline) for outline in outlines(chain.rules)}
    return any(
        _has_circle(table, table.chains[name], (*path, chain.name))
        for name in table.chains.keys() & names
    )


def _flush(table: Table, command: Command) -> Table:
    chosen = [_chain(table, command)] if command.chain else list(table.chains.values())
    for chain in chosen:
        table = _with_rules(table, chain, ())
    return table


def _zero(table: Table, command: Command) -> Table:
    if command.chain and command.number:
        return _zero_one(table, _chain(table, command), command.number)
    chosen = [_chain(table, command)] if command.chain else list(table.chains.values())
    for chain in chosen:
        rules = tuple(replace(rule, counters=ZERO) for rule in chain.rules)
        table = _with_chain(table, replace(chain, counters=ZERO, rules=rules))
    return table


def _zero_one(table: Table, chain: Chain, number: int) -> Table:
    """Zero one rule; the nft back end does not mind a number that is too big."""
    return _with_rules(
        table,
        chain,
        tuple(
            replace(rule, counters=ZERO) if place == number else rule
            for place, rule in enumerate(chain.rules, start=1)
        ),
    )


def _new(table: Table, command: Command) -> Table:
    name = command.chain or ""
    if name in table.chains:
        raise plain_problem("Chain already exists")
    chains = {**table.chains, name: Chain(name=name)}
    return replace(table, chains=in_listing_order(table.name, chains))


def _delete_chains(table: Table, command: Command) -> Table:
    chosen = (
        [_chain(table, command)]
        if command.chain
        else [chain for chain in table.chains.values() if chain.policy is None]
    )
    for chain in chosen:
        _check_deletable(table, chain)
    gone = {chain.name for chain in chosen}
    chains = {name: chain for name, chain in table.chains.items() if name not in gone}
    return replace(table, chains=chains)


def _check_deletable(table: Table, chain: Chain) -> None:
    if chain.policy is not None:
        legacy = "Invalid argument. Run `dmesg' for more information."
    elif table.references(chain.name):
        legacy = "Too many links."
    elif chain.rules:
        legacy = "Directory not empty."
    else:
        return
    raise kernel_problem(f"CHAIN_DEL failed (Device or resource busy): chain {chain.name}", legacy)


def _policy(table: Table, command: Command) -> Table:
    if command.policy not in POLICIES:
        raise CommandError(
            "{program}: Bad policy name. Run `dmesg' for more information.\n",
            Status.OTHER_PROBLEM,
        )
    chain = table.chains.get(command.chain or "")
    if chain is None or chain.policy is None:
        raise plain_problem("Bad built-in chain name")
    # A new policy begins to count anew.
    counters = command.counters or ZERO
    return _with_chain(table, replace(chain, policy=command.policy, counters=counters))


def _rename(table: Table, command: Command) -> Table:
    old, new = command.chain or "", command.new_name or ""
    if new in table.chains:
        raise plain_problem("File exists")
    chain = _chain(table, command)
    if chain.policy is not None:
        raise plain_problem(_NO_CHAIN)
    renamed: Mapping[str, Chain] = {
        (new if name == old else name): _renamed(each, old, new)
        for name, each in table.chains.items()
    }
    return replace(table, chains=in_listing_order(table.name, renamed))


def _renamed(chain: Chain, old: str, new: str) -> Chain:
    rules = tuple(
        replace(rule, target=replace(rule.target, name=new))
        if rule.target is not None and rule.target.name == old
        else rule
        for rule in chain.rules
    )
    return replace(chain, name=new if chain.name == old else chain.name, rules=rules)


_CHANGES: Final[Mapping[str, Change]] = {
    "-A": _append,
    "-I": _insert,
    "-R": _replace,
    "-D": _delete,
    "-F": _flush,
    "-Z": _zero,
    "-N": _new,
    "-X": _delete_chains,
    "-P": _policy,
    "-E": _rename,
}
