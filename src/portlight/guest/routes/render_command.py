"""`routes render`: this server's network as files for whoever configures it at boot."""

import argparse
from pathlib import Path

from portlight.guest.arguments import Commands
from portlight.guest.routes.persistent.config import RenderedFile, interface_configs
from portlight.guest.routes.persistent.formats import RENDERERS, detect_format
from portlight.guest.routes.remedies import RemedyError
from portlight.guest.routes.snapshot import read_snapshot


def add_render(verbs: Commands) -> None:
    """Add `render`."""
    render = verbs.add_parser(
        "render", help="interfaces, tables and rules as configuration files; changes nothing here"
    )
    render.add_argument(
        "--format", choices=tuple(RENDERERS), help="default: who configures this server"
    )
    render.add_argument("--interface", action="append", help="only this one; repeatable")
    render.add_argument("--dns-from", default="", metavar="INTERFACE", help="use only its DNS")
    render.add_argument("--no-policy", action="store_true", help="add no tables and rules")
    render.add_argument(
        "--out", type=Path, metavar="DIR", help="write below this folder (/ is this server)"
    )
    render.set_defaults(run=_render)


def _render(arguments: argparse.Namespace) -> int:
    chosen = arguments.format or detect_format()
    if chosen is None:
        raise RemedyError(
            f"who configures this server is not known: --format {{{','.join(RENDERERS)}}}"
        )
    configs = interface_configs(
        read_snapshot(), policy=not arguments.no_policy, dns_from=arguments.dns_from
    )
    known = [config.name for config in configs]
    for name in (*(arguments.interface or ()), *filter(None, [arguments.dns_from])):
        if name not in known:
            raise RemedyError(f"no interface {name} with addresses; there are {', '.join(known)}")
    wanted = [one for one in configs if one.name in (arguments.interface or known)]
    for file in RENDERERS[chosen](wanted):
        write_or_print(file, arguments.out)
    return 0


def write_or_print(file: RenderedFile, out: Path | None) -> None:
    """Write a file below a folder, or show it when there is none."""
    if out is None:
        print(f"# {file.path}\n{file.text}")
        return
    path = out / file.path.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=file.mode)
    path.chmod(file.mode)
    path.write_text(file.text)
    print(path)
