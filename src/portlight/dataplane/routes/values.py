"""What the drivers of routers read and write. Pure."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from portlight.dataplane.nft.render import MARK, digest_of, render_frame
from portlight.plan.host import HostPlan
from portlight.plan.routers import RouterPlan, RulePlan
from portlight.values.addresses import IpAddress, MacAddress

NeighbourKey = tuple[int, str, IpAddress]
"""Router number, interface, address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """A router's namespace; its key is the router's number."""

    legs: Mapping[str, frozenset[str]]
    """Addresses with prefix lengths by interface."""
    rules: frozenset[str]
    """As `ip rule add` takes them, the family first."""
    frame: int
    """Which nftables frame is there; 0: none of ours."""
    frame_text: str = field(default="", compare=False)
    """What makes the frame, for `nft -f`; not read back."""
    intact: bool = True
    """False when it is missing, or its settings or a link are not as we make them. Never wanted."""


def render_router(plan: RouterPlan) -> Router:
    """Return what the plan of a router means in the kernel's words."""
    text = render_frame(plan)
    return Router(
        legs={
            leg.ifname: frozenset(f"{address}/{length}" for address, length in leg.addresses)
            for leg in plan.legs
        },
        rules=frozenset(map(rule_text, plan.rules)),
        frame=digest_of(text),
        frame_text=text,
    )


def rule_text(rule: RulePlan) -> str:
    """Return a rule in the words in which it is written and read back."""
    words = [f"-{rule.version}", f"priority {rule.priority}"]
    words += [f"from {rule.source}"] if rule.source is not None else []
    words += [f"iif {rule.ifname}"] if rule.ifname else []
    words += [f"fwmark {MARK}"] if rule.is_marked else []
    words.append(f"table {rule.table}")
    words += ["suppress_prefixlength 0"] if rule.only_specific else []
    return " ".join(words)


def virtual_neighbours(
    plan: HostPlan, owned: AbstractSet[tuple[int, IpAddress]]
) -> dict[NeighbourKey, MacAddress]:
    """Return where routers find the virtual IPs beside them: at MACs of their own.

    `owned` are those that somebody owns, by network number and address. A router asks for the
    others by ARP as for anything else: the answer makes an owner.
    """
    found: dict[NeighbourKey, MacAddress] = {}
    legs = [(number, leg) for number, router in plan.routers.items() for leg in router.legs]
    for (_, mac), virtual_ip in plan.virtual_macs.items():
        for number, leg in legs:
            if leg.network == virtual_ip[0] and virtual_ip in owned:
                found[number, leg.ifname, virtual_ip[1]] = mac
    return found
