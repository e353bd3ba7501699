"""Who may configure a server's network, and which of them does here. Pure, given the paths."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from portlight.guest.routes.persistent.config import InterfaceConfig, RenderedFile
from portlight.guest.routes.persistent.ifcfg import render_ifcfg
from portlight.guest.routes.persistent.ifupdown import render_ifupdown
from portlight.guest.routes.persistent.netplan import render_netplan
from portlight.guest.routes.persistent.networkd import render_networkd
from portlight.guest.routes.persistent.networkmanager import render_networkmanager

Renderer = Callable[[Iterable[InterfaceConfig]], tuple[RenderedFile, ...]]

RENDERERS: Final[dict[str, Renderer]] = {
    "netplan": render_netplan,
    "networkmanager": render_networkmanager,
    "networkd": render_networkd,
    "ifcfg": render_ifcfg,
    "ifupdown": render_ifupdown,
}
_TRACES: Final = {
    "netplan": "etc/netplan/*.yaml",
    "networkmanager": "run/NetworkManager/*",
    "networkd": "etc/systemd/network/*.network",
    "ifcfg": "etc/sysconfig/network-scripts/ifcfg-*",
    "ifupdown": "etc/network/interfaces",
}
"""What tells that somebody is at work here; the first that is found counts."""


def detect_format(root: Path = Path("/")) -> str | None:
    """Return who configures this server; None when nobody that we know does."""
    return next((name for name, trace in _TRACES.items() if any(root.glob(trace))), None)
