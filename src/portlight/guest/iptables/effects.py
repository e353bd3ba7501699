"""Targets that are no verdict: what they change for the rules and tables behind them.

Pure.
"""

from dataclasses import replace
from ipaddress import ip_address
from typing import Final

from portlight.guest.iptables.packet import Hook, Packet
from portlight.guest.iptables.readers import mark_and_mask
from portlight.guest.iptables.rules import Extension, Rule
from portlight.guest.iptables.walk import End, Outcome, Step, Verdict, Walk, settled


def act(walk: Walk, rule: Rule, step: Step, *, is_certain: bool) -> Outcome:
    """Let a target that is no verdict change what later rules see."""
    target = rule.target
    if target is None or target.name in _HARMLESS:
        return None
    if target.name == "MARK":
        walk.packet = replace(walk.packet, mark=_marked(walk, rule, is_certain=is_certain))
        return None
    if target.name == "CONNMARK":
        if _restores(target) and walk.packet.state != "NEW":
            walk.packet = replace(walk.packet, mark=None)  # nobody says what its connection has
        return None
    if target.name in {"NOTRACK", "CT"}:
        _choose_connection(walk, target, is_certain=is_certain)
        return None
    if target.name in _TRANSLATIONS:
        return _translate(walk, rule, step, is_certain=is_certain)
    walk.depends_on.append(f"-j {target.name}")
    walk.possible.append(End(Verdict.DEPENDS, step))
    return None


def _choose_connection(walk: Walk, target: Extension, *, is_certain: bool) -> None:
    """Let raw keep a packet from conntrack, or choose among what connections it is looked up."""
    if walk.is_tracked:
        return
    names = {option.name for option in target.options}
    later: str | None
    if target.name == "NOTRACK" or "--notrack" in names:
        seen = later = "UNTRACKED"
    else:
        # What it will be looked up by counts as a new connection to the rest of raw.
        is_known = walk.state not in {"ESTABLISHED", "RELATED"} or not names & _ZONES
        seen, later = "NEW", walk.state if is_known else None
    sure = is_certain and walk.is_certain
    walk.is_tracked = sure
    walk.packet = replace(walk.packet, state=seen if sure else None)
    walk.state = later if sure or later == walk.state else None


_ZONES: Final = frozenset({"--zone", "--zone-orig", "--zone-reply"})
_HARMLESS: Final = frozenset(
    {"LOG", "NFLOG", "TRACE", "TCPMSS", "TOS", "DSCP", "AUDIT", "CHECKSUM", "ULOG"}
)
"""Targets after which the packet goes on unchanged, as far as rules that we model can see."""
_LOOPBACK: Final = {4: ip_address("127.0.0.1"), 6: ip_address("::1")}
_TRANSLATIONS: Final = frozenset({"DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP"})


def _restores(target: Extension) -> bool:
    """Whether a packet gets the mark of its connection; a new one has none."""
    return any(option.name == "--restore-mark" for option in target.options)


def _marked(walk: Walk, rule: Rule, *, is_certain: bool) -> int | None:
    setting, before = rule.target.value("--set-xmark") if rule.target else None, walk.packet.mark
    if setting is None or before is None or not (is_certain and walk.is_certain):
        return None
    mark, mask = mark_and_mask(setting)
    return (before & ~mask) ^ mark


def _translate(walk: Walk, rule: Rule, step: Step, *, is_certain: bool) -> Outcome:
    """Accept in this table; a new destination is what the later tables see."""
    end = End(Verdict.ACCEPT, step)
    target = rule.target
    if target is None or target.name in {"SNAT", "MASQUERADE"}:
        return settled(walk, end) if is_certain else None
    if target.name == "REDIRECT" and is_certain and walk.is_certain:
        port = target.value("--to-ports") if target.options else None
        if port is None or port.isdecimal():
            walk.packet = _to_this_server(walk.packet, port)
            return end
    to = target.value("--to-destination") if target.name == "DNAT" else None
    if to and is_certain and walk.is_certain and walk.packet.hook is not Hook.INPUT:
        return _redirected(walk, to, end)
    walk.depends_on.append(f"where -j {target.name} sends it")
    walk.possible.append(End(Verdict.DEPENDS, step))
    return end if is_certain and walk.is_certain else None


def _to_this_server(packet: Packet, port: str | None) -> Packet:
    """Give a packet another port of this server; what it sends itself goes to the loopback."""
    number = int(port) if port else packet.destination_port
    loopback = _LOOPBACK[packet.family]
    address = loopback if packet.hook is Hook.OUTPUT else packet.destination
    return replace(packet, destination=address, destination_port=number)


def _redirected(walk: Walk, to: str, end: End) -> Outcome:
    """Give the packet its new destination, if it is one address and at most one port."""
    address, port = to, ""
    if walk.ruleset.family == 4 and ":" in to:  # noqa: PLR2004 -- the family's name
        address, _, port = to.partition(":")
    elif to.startswith("["):
        address, _, port = to[1:].partition("]:")
    try:
        destination = ip_address(address) if address else walk.packet.destination
        number = int(port) if port else walk.packet.destination_port
    except ValueError:
        walk.depends_on.append(f"which address or port of {to} is taken")
        walk.possible.append(End(Verdict.DEPENDS, end.step))
        return end
    walk.packet = replace(walk.packet, destination=destination, destination_port=number)
    return end
