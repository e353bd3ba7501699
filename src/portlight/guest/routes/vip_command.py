"""`vip render`: the configuration of a member of a virtual IP."""

import argparse
from ipaddress import ip_address, ip_interface
from pathlib import Path

from portlight.guest.arguments import Commands
from portlight.guest.routes.render_command import write_or_print
from portlight.guest.routes.vip import Member, check_member, render_holder, render_keepalived

_FORMATS = {"keepalived": render_keepalived, "netplan": render_holder}


def add_vip(commands: Commands) -> None:
    """Add `vip` and what is below it."""
    vip = commands.add_parser("vip", help="this server as a member of a virtual IP")
    verbs = vip.add_subparsers(required=True, metavar="VERB")
    render = verbs.add_parser("render", help="its configuration; changes nothing here")
    render.add_argument(
        "--address", type=ip_interface, required=True, help="of the virtual IP, with its length"
    )
    render.add_argument("--interface", required=True)
    render.add_argument("--format", choices=tuple(_FORMATS), default="keepalived")
    render.add_argument(
        "--peers", type=ip_address, nargs="*", default=[], help="addresses of the other members"
    )
    render.add_argument("--own-address", type=ip_address, help="what it speaks to them from")
    render.add_argument("--priority", type=int, default=100, help="the highest that lives has it")
    render.add_argument("--router-id", type=int, default=51, help="the same for all members")
    render.add_argument("--interval", type=float, default=1.0, metavar="SECONDS")
    render.add_argument("--take-back", action="store_true", help="when of higher priority")
    render.add_argument("--announce-every", type=int, default=0, metavar="SECONDS")
    render.add_argument("--out", type=Path, metavar="DIR", help="write below this folder")
    render.set_defaults(run=_render)


def _render(arguments: argparse.Namespace) -> int:
    member = Member(
        address=arguments.address,
        interface=arguments.interface,
        router_id=arguments.router_id,
        priority=arguments.priority,
        advertisement_seconds=arguments.interval,
        own_address=arguments.own_address,
        peers=tuple(arguments.peers),
        take_back=arguments.take_back,
        repeat_announcements_seconds=arguments.announce_every,
    )
    check_member(member)
    write_or_print(_FORMATS[arguments.format](member), arguments.out)
    return 0
