"""By which interface and with which address the kernel sends, as `ip` tells it now."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from portlight.guest.guard.sockets import Address, plain

Own = Mapping[Address, str]
"""Own addresses, each with its interface."""
Question = tuple[Address, Address | None]
"""Where a packet goes, and from which own address; None: the kernel chooses one."""
_TOOL_SECONDS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a packet leaves."""

    interface: str
    source: Address | None


def own_addresses() -> Own:
    """Return this server's addresses, each with its interface."""
    links: list[dict[str, Any]] = json.loads(_ip("address", "show") or "[]")
    return {
        plain(ip_address(address["local"])): link["ifname"]
        for link in links
        for address in link.get("addr_info", ())
        if "local" in address
    }


def ways_to(questions: Iterable[Question]) -> dict[Question, Way]:
    """Return how packets leave; a question without a way has no answer. All are asked at once."""
    asked = dict.fromkeys(questions)
    text = "".join(f"route get {to}{f' from {source}' if source else ''}\n" for to, source in asked)
    answers = _ip("-force", "-batch", "-", stdin=text).splitlines() if asked else ()
    return dict(_answer(json.loads(line)[0]) for line in answers if line.startswith("[{"))


def _answer(route: dict[str, Any]) -> tuple[Question, Way]:
    said = ip_address(route.get("from", "0.0.0.0"))  # noqa: S104 -- as IPv6 says it: from nowhere
    source = None if said.is_unspecified else said
    chosen = ip_address(route["prefsrc"]) if "prefsrc" in route else None
    return (ip_address(route["dst"]), source), Way(interface=route["dev"], source=source or chosen)


def _ip(*arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        ("ip", "-json", *arguments),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TOOL_SECONDS,
    )
    return done.stdout
