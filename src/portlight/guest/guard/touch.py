"""Whether changed rules can meet any packet of what was declared.

Pure. Where none of them can, every address is treated as before, asked about or not: the rules that
stay keep their order.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_network

from portlight.guest.guard.flows import Network
from portlight.guest.guard.protected import Protected
from portlight.guest.iptables.conditions import rule_meets
from portlight.guest.iptables.names import ICMPV6, TCP, UDP
from portlight.guest.iptables.packet import Hook, Packet
from portlight.guest.iptables.rules import Chain, Rule, RuleSet
from portlight.guest.iptables.saved_rules import outline_text, outlines

RuleSets = Mapping[int, RuleSet]
_EMPTY = Chain(name="", policy=None)
_INWARD, _OUTWARD = {"PREROUTING", "INPUT"}, {"OUTPUT", "POSTROUTING"}
"""The chains of what comes in and of what goes out; all others may get both."""


def touching(before: RuleSets, after: RuleSets) -> Callable[[Protected], bool]:
    """Return whether a change can matter to a declaration."""
    every = (*before.values(), *after.values())
    is_translated = any(
        chain.rules for one in every for (table, _), chain in _chains(one).items() if table == "nat"
    )

    def touches(declared: Protected) -> bool:
        return any(
            rule is None or _may_meet(chain, rule, declared, is_translated=is_translated)
            for family, chain, rule in _changed(before, after)
            if family == declared.network.version
        )

    return touches


def _changed(before: RuleSets, after: RuleSets) -> Iterator[tuple[int, str, Rule | None]]:
    """Yield family, chain and rule of what only one side has; None is another policy or order."""
    for family in before.keys() | after.keys():
        old, new = _chains(before.get(family)), _chains(after.get(family))
        for place in old.keys() | new.keys():
            for rule in _changed_in(old.get(place, _EMPTY), new.get(place, _EMPTY)):
                yield family, place[1], rule


def _chains(ruleset: RuleSet | None) -> dict[tuple[str, str], Chain]:
    tables = ruleset.tables if ruleset else {}
    return {
        (table.name, chain.name): chain
        for table in tables.values()
        for chain in table.chains.values()
    }


def _changed_in(old: Chain, new: Chain) -> Iterator[Rule | None]:
    texts = [[outline_text(one) for one in outlines(chain.rules)] for chain in (old, new)]
    kept = set(texts[0]) & set(texts[1])
    orders = [[text for text in one if text in kept] for one in texts]
    if (old.policy or "ACCEPT") != (new.policy or "ACCEPT") or orders[0] != orders[1]:
        yield None
    for chain, said in zip((old, new), texts, strict=True):
        for place, text in enumerate(said):
            if text not in kept:
                yield chain.rules[place]


def _may_meet(chain: str, rule: Rule, declared: Protected, *, is_translated: bool) -> bool:
    """Whether a packet of a declaration could be met by a rule, as far as anybody can say."""
    family = declared.network.version
    has_neighbours = family == 6  # noqa: PLR2004 -- the family's name
    if has_neighbours and rule_meets(_packet(ICMPV6, None, None), rule, family) is not False:
        return True
    port = None if is_translated else declared.port
    protocol = {"tcp": TCP, "udp": UDP}[declared.protocol]
    # What the other end sends, and what it gets; one of them is to the declared port.
    to_port, from_port = _packet(protocol, None, port), _packet(protocol, port, None)
    sent, got = (to_port, from_port) if declared.way == "in" else (from_port, to_port)
    return any(
        rule_meets(packet, rule, family) is not False
        and not _names_others(rule, side, declared.network)
        for packet, side, passed in ((sent, "-s", _INWARD), (got, "-d", _OUTWARD))
        if chain in passed or chain not in _INWARD | _OUTWARD
    )


def _packet(protocol: int, source_port: int | None, destination_port: int | None) -> Packet:
    """Return a packet of which nothing else is known."""
    return Packet(
        hook=Hook.FORWARD,
        source=None,
        destination=None,
        protocol=protocol,
        source_port=source_port,
        destination_port=destination_port,
        state=None,
        mark=None,
    )


def _names_others(rule: Rule, side: str, network: Network) -> bool:
    """Whether a rule asks on one side for addresses that are none of a network's."""
    for option in rule.options:
        if option.name == side and not option.negated:
            with suppress(ValueError):  # a mask with holes: nobody can say
                named = ip_network(option.values[0], strict=False)
                return named.version == network.version and not named.overlaps(network)
    return False
