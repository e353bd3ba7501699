"""The nftables table of a router, as text for `nft -f`. Pure.

What seldom changes is the frame: chains and rules. What grows (public addresses) are elements of
maps, each changed on its own. Every text is one transaction.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from portlight.plan.routers import (
    BLACKHOLE,
    UNREACHABLE,
    LegPlan,
    PublicAddressPlan,
    RouterPlan,
)
from portlight.values.verdict import DropReason

Element = tuple[str, str]
"""A map or set, and an element of it as `nft` takes it."""

TABLE = "inet portlight"
COUNTED = (DropReason.NO_ROUTE, DropReason.ROUTE_BLACKHOLE, DropReason.NOT_TRANSLATED)
"""What routers drop, by their interfaces: the counters of a leg."""
MARK = 1
"""Of packets that have a way out of their own."""
_PROTOCOLS = {6: "tcp", 17: "udp"}

_SETS = (
    "map floating { type ipv4_addr : ipv4_addr ; }",
    "map sources { type ipv4_addr : ipv4_addr ; }",
    "map forwardings { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service ; }",
    "set public { type ipv4_addr ; }",
    "set private { type ipv4_addr ; }",
    "set inside { type ipv4_addr ; flags interval ; auto-merge ; }",
    "set digest { type mark ; }",
    *(f"map {reason.label} {{ type ifname : counter ; }}" for reason in COUNTED),
)
"""`public` has every public address, its comment says how often its flows were cut."""
_CHAINS = {
    **dict.fromkeys((reason.label for reason in COUNTED), ""),
    "untracked": "filter hook prerouting priority raw",
    "ways": "filter hook prerouting priority mangle",
    "to_private": "nat hook prerouting priority dstnat",
    "to_public": "nat hook postrouting priority srcnat",
    "forward": "filter hook forward priority filter",
    "local": "filter hook input priority filter",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicAddress:
    """A public address in the kernel; its key is (router number, address)."""

    ifname: str
    """The leg that answers for it; empty: none does. Never wanted so."""
    elements: frozenset[Element]
    cuts: int


def render_frame(plan: RouterPlan) -> str:
    """Return what makes a router's chains from whatever is there; elements are left alone."""
    rules = _rules(plan)
    lines = [f"add table {TABLE}"]
    lines += [f"add {kind} {TABLE} {rest}" for kind, rest in (one.split(" ", 1) for one in _SETS)]
    for chain, hook in _CHAINS.items():
        if chain in rules:
            kind = f" {{ type {hook} ; policy accept ; }}" if hook else ""
            lines.append(f"add chain {TABLE} {chain}{kind}")
            lines.append(f"flush chain {TABLE} {chain}")
            lines += [f"add rule {TABLE} {chain} {rule}" for rule in rules[chain]]
        else:
            lines += [f"{verb} chain {TABLE} {chain}" for verb in ("add", "flush", "delete")]
    lines += _counter_lines(plan)
    inside = ", ".join(sorted(map(str, _inside(plan.legs))))
    lines.append(f"flush set {TABLE} inside")
    lines += [f"add element {TABLE} inside {{ {inside} }}"] if inside else []
    text = "".join(f"{line}\n" for line in lines)
    return f"{text}flush set {TABLE} digest\nadd element {TABLE} digest {{ {digest_of(text)} }}\n"


def digest_of(text: str) -> int:
    """Return the number by which a fresh agent knows a frame again; never 0."""
    return zlib.crc32(text.split("flush set inet portlight digest", 1)[0].encode()) or 1


def public_address(address: IPv4Address, plan: PublicAddressPlan) -> PublicAddress:
    """Return what a public address is in the kernel."""
    elements = {("public", f'{address} comment "{plan.cuts}"')}
    if plan.private is not None:
        elements |= {
            ("floating", f"{address} : {plan.private}"),
            ("sources", f"{plan.private} : {address}"),
            ("private", f"{plan.private}"),
        }
    for one in plan.forwardings:
        outer = f"{address} . {_PROTOCOLS[one.protocol]} . {one.external_port}"
        elements.add(("forwardings", f"{outer} : {one.address} . {one.port}"))
    return PublicAddress(ifname=plan.ifname, elements=frozenset(elements), cuts=plan.cuts)


def render_change(gone: Iterable[Element], new: Iterable[Element]) -> str:
    """Return what takes some elements out and puts others in, at once."""
    lines = []
    for verb, elements in (("delete", gone), ("add", new)):
        by_name: dict[str, list[str]] = {}
        for name, text in sorted(elements):
            words = text.partition(" comment ")[0] if verb == "delete" else text
            by_name.setdefault(name, []).append(words)
        for name, texts in by_name.items():
            lines.append(f"{verb} element {TABLE} {name} {{ {', '.join(texts)} }}\n")
    return "".join(lines)


def counter_name(reason: DropReason, ifname: str) -> str:
    """Return what a leg's counter is called."""
    return f"{reason.label}-{ifname}"


def parse_counter_name(name: str) -> tuple[DropReason, str] | None:
    """Return reason and interface of a counter of ours; None for any other name."""
    label, _, ifname = name.partition("-")
    for reason in COUNTED:
        if reason.label == label and ifname:
            return reason, ifname
    return None


def _rules(plan: RouterPlan) -> dict[str, list[str]]:
    outside = next((leg.ifname for leg in plan.legs if leg.is_outside), None)
    no_route, blackhole = DropReason.NO_ROUTE.label, DropReason.ROUTE_BLACKHOLE.label
    nowhere = f'"{UNREACHABLE}" : goto {no_route}, "{BLACKHOLE}" : goto {blackhole}'
    rules = {
        no_route: [_counted(DropReason.NO_ROUTE), "reject with icmpx type no-route"],
        **{one.label: [_counted(one), "drop"] for one in COUNTED if one.label != no_route},
        # One look at the name: established flows meet nothing else.
        "forward": [f"oifname vmap {{ {nowhere} }}"],
    }
    if outside is None or plan.public is None:
        return rules
    rules["forward"] += _guarded(outside, is_translating=plan.snat is not None)
    # A public address that stands for nothing (any more) is no address of the router's own.
    rules["local"] = [f"ip daddr @public ct state new goto {DropReason.NOT_TRANSLATED.label}"]
    return rules | _translation(outside, plan.snat, plan.public)


def _translation(
    outside: str, snat: IPv4Address | None, public: IPv4Address
) -> dict[str, list[str]]:
    leaving = f'oifname "{outside}"'
    turned = f'ct status dnat iifname != "{outside}"'
    general = [f"{leaving} meta nfproto ipv4 snat ip to {snat}"] if snat is not None else []
    return {
        # Between subnets nothing is translated: what is not tracked costs nothing.
        "untracked": [f'iifname != "{outside}" ip saddr @inside ip daddr @inside notrack'],
        "ways": [
            f'iifname != "{outside}" ip saddr @private meta mark set {MARK}',
            f"ct direction reply ct status dnat meta mark set {MARK}",
        ],
        "to_private": [
            "dnat ip to ip daddr map @floating",
            "dnat ip to ip daddr . meta l4proto . th dport map @forwardings",
        ],
        "to_public": [
            f"{leaving} snat ip to ip saddr map @sources",
            *general,
            f"{turned} snat ip to ip saddr map @sources",
            f"{turned} meta nfproto ipv4 snat ip to {public}",
        ],
    }


def _guarded(outside: str, *, is_translating: bool) -> list[str]:
    """Return what keeps the outside from passing through, or from seeing private addresses."""
    came, leaves = f'iifname "{outside}"', f'oifname "{outside}"'
    rules = [
        "ct state established,related accept",
        f"{came} {leaves} goto {DropReason.NO_ROUTE.label}",
    ]
    if is_translating:
        # Past the public address nobody gets in; what is no flow would leave as it is.
        rules += [
            f"{match} goto {DropReason.NOT_TRANSLATED.label}"
            for match in (
                f"{came} meta nfproto ipv4 ct state new ct status & dnat == 0",
                f"{leaves} meta nfproto ipv4 ct state invalid,untracked",
            )
        ]
    return rules


def _counted(reason: DropReason) -> str:
    return f"counter name iifname map @{reason.label}"


def _counter_lines(plan: RouterPlan) -> Iterator[str]:
    """Yield a counter for each leg; what comes across a peering counts at the first one inside."""
    first = next((leg.ifname for leg in plan.legs if not leg.is_outside), None)
    at = {leg.ifname: leg.ifname for leg in plan.legs}
    at |= dict.fromkeys(plan.peers, first) if first is not None else {}
    for reason in COUNTED:
        yield f"flush map {TABLE} {reason.label}"
        for ifname, leg in at.items():
            name = counter_name(reason, leg)
            yield f"add counter {TABLE} {name}"
            yield f'add element {TABLE} {reason.label} {{ "{ifname}" : "{name}" }}'


def _inside(legs: Iterable[LegPlan]) -> set[IPv4Network]:
    return {
        IPv4Network((address, length), strict=False)
        for leg in legs
        if not leg.is_outside
        for address, length in leg.addresses
        if isinstance(address, IPv4Address)
    }
