"""Configuration of a member of a virtual IP: for keepalived, or for netplan to just hold it.

Pure. Every member starts as BACKUP and none takes the address back by itself: one failover is one
cut. With the members' addresses it speaks to them alone, which clouds without multicast need.
"""

from dataclasses import dataclass
from ipaddress import ip_interface
from typing import Final

from portlight.guest.routes.persistent.config import RenderedFile
from portlight.guest.routes.values import IpAddress, IpInterface, RoutesError

ROUTER_IDS: Final = range(1, 256)
PRIORITIES: Final = range(1, 255)
"""255 is for who owns the address (RFC 9568, section 5.2.4); 0 says that a member leaves."""


class VipError(RoutesError):
    """A member cannot be configured like this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of one virtual IP."""

    address: IpInterface
    interface: str
    router_id: int = 51
    priority: int = 100
    advertisement_seconds: float = 1.0
    own_address: IpAddress | None = None
    """What it sends advertisements from; None: the first address of the interface."""
    peers: tuple[IpAddress, ...] = ()
    """The other members; none: advertisements go to the multicast address."""
    take_back: bool = False
    """Whether a member of higher priority takes the address from one that holds it."""
    repeat_announcements_seconds: int = 0
    """So often the owner announces the address again; 0: only when it gets it."""


def check_member(member: Member) -> None:
    """Raise VipError when keepalived would refuse it, or the members would misunderstand it."""
    if member.router_id not in ROUTER_IDS:
        raise VipError("--router-id: from 1 to 255")
    if member.priority not in PRIORITIES:
        raise VipError("--priority: from 1 to 254")
    families = {one.version for one in (member.address, *member.peers)}
    if len(families) > 1:
        raise VipError("--peers: addresses of another family than --address")
    if member.own_address in member.peers:
        raise VipError(f"--peers: {member.own_address} is this member itself")


def render_keepalived(member: Member) -> RenderedFile:
    """Return keepalived.conf of a member."""
    name = f"vip_{member.router_id}"
    lines = [
        "# Written by portlight-guest vip render.",
        "global_defs {",
        "  vrrp_version 3",
        # The first announcement is what moves the address; one more helps who missed it.
        "  vrrp_garp_master_delay 1",
        *_if(member.repeat_announcements_seconds, "  vrrp_garp_master_refresh {}"),
        "}",
        f"vrrp_instance {name} {{",
        "  state BACKUP",
        *([] if member.take_back else ["  nopreempt"]),
        f"  interface {member.interface}",
        f"  virtual_router_id {member.router_id}",
        f"  priority {member.priority}",
        f"  advert_int {member.advertisement_seconds:g}",
        *_if(member.own_address, "  unicast_src_ip {}"),
        *_block("unicast_peer", [str(peer) for peer in member.peers]),
        *_block("virtual_ipaddress", [f"{member.address} dev {member.interface}"]),
        "}",
        "",
    ]
    return RenderedFile(path="/etc/keepalived/keepalived.conf", text="\n".join(lines))


def _if(value: object, template: str) -> list[str]:
    return [template.format(value)] if value else []


def _block(name: str, lines: list[str]) -> list[str]:
    return [f"  {name} {{", *(f"    {line}" for line in lines), "  }"] if lines else []


def render_holder(member: Member) -> RenderedFile:
    """Return the netplan file of a member that holds the address without keepalived.

    The address is deprecated from the start: the server answers for it, and what it sends of its
    own accord goes out as its own address.
    """
    address = ip_interface(member.address)
    text = f"""\
network:
  version: 2
  ethernets:
    {member.interface}:
      addresses:
        - "{address}":
            lifetime: 0
"""
    return RenderedFile(path="/etc/netplan/91-portlight-vip.yaml", text=text, mode=0o600)
