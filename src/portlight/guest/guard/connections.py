"""Connections beside the rules: what the kernel tracks, saved before a change, set right after it.

Works through the `conntrack` tool; without it, connections are left as they are.
"""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from portlight.guest.guard.sockets import End, Protocol

FAMILIES: Final = ("ipv4", "ipv6")
_MOST_FLOWS: Final = 20_000
"""Beyond so many the copy would cost more time than the change; they are then left alone."""
_TOOL_SECONDS: Final = 20.0
_COUNT: Final = Path("/proc/sys/net/netfilter/nf_conntrack_count")
"""Readable without the tool, and missing where the kernel tracks nothing."""
_NAMES_OF_ORIGINAL: Final = frozenset(
    {"-s", "-d", "-p", "--sport", "--dport", "--icmp-type", "--icmp-code", "--icmp-id"}
)
_REPLY: Final = frozenset({"-r", "-q", "-g", "-n", "--reply-port-src", "--reply-port-dst"})
"""Of the answer: source and destination, by other names where they are translated (1.4.7)."""

Options = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A tracked connection: who it is between, and where each of them sends to."""

    protocol: Protocol
    opener: End
    called: End
    """Where the opener's packets are sent to."""
    other: End
    """Who gets them: another than `called` where they are translated."""
    answered: End
    """Where the other end's packets are sent to."""


def save_connections() -> str | None:
    """Return the tracked connections as commands that make them again; None when unknown."""
    if shutil.which("conntrack") is None:
        return None
    listing = "".join(
        f"{line} -f {family}\n"
        for family in FAMILIES
        for line in _conntrack("-L", "-f", family, "-o", "save").splitlines()
        if line.startswith("-A")
    )
    return listing if listing.count("\n") <= _MOST_FLOWS else None


def restore_connections(saved: str | None) -> None:
    """Make again what was lost since, and drop what was redirected since; leave all else alone.

    A connection that began under the rules that are taken back would keep their translation for as
    long as it lives.
    """
    if saved is None or (now := save_connections()) is None:
        return
    before, after = _by_original(saved), _by_original(now)
    for original in after.keys() - before.keys():
        if _is_translated(_options(after[original])):
            _conntrack("-D", *original)
    gone = [_options(line) for key, line in before.items() if key not in after]
    lost = [_made_again(options) for options in gone if is_live(options)]
    if lost:
        _conntrack("--load-file", "-", stdin="".join(f"{line}\n" for line in lost))


def is_live(options: Options) -> bool:
    """Whether a connection stands: half-open and dying ones come again by themselves."""
    if options.get("-p") == "tcp":
        return options.get("--state") == "ESTABLISHED"
    return "ASSURED" in options.get("-u", "").split(",")


def tracked_connections() -> tuple[Connection, ...] | None:
    """Return the live TCP and UDP connections that the kernel tracks; None when unknown."""
    saved = save_connections()
    if saved is None:
        return () if not _COUNT.exists() or int(_COUNT.read_text()) == 0 else None
    return tuple(
        _connection(options)
        for options in map(_options, saved.splitlines())
        if options.get("-p") in {"tcp", "udp"} and is_live(options)
    )


def _connection(options: Options) -> Connection:
    def end(address: str, port: str) -> End:
        return ip_address(address), int(options[port])

    replier, opener = _reply_addresses(options)
    return Connection(
        protocol="udp" if options["-p"] == "udp" else "tcp",
        opener=end(options["-s"], "--sport"),
        called=end(options["-d"], "--dport"),
        other=end(replier, "--reply-port-src"),
        answered=end(opener, "--reply-port-dst"),
    )


def _reply_addresses(options: Options) -> tuple[str, str]:
    """Return who answers, and whom: an address that is translated has another option."""
    return options.get("-g") or options["-r"], options.get("-n") or options["-q"]


def _options(line: str) -> dict[str, str]:
    """Return the options of one saved connection; each but the first word has one value."""
    words = line.split()[1:]
    return dict(zip(words[::2], words[1::2], strict=False))


def _by_original(listing: str) -> dict[tuple[str, ...], str]:
    """Return the connections by the options that name the first packet's ends."""
    named = _NAMES_OF_ORIGINAL | {"-f"}
    return {
        tuple(word for pair in _options(line).items() if pair[0] in named for word in pair): line
        for line in listing.splitlines()
    }


def _is_translated(options: Options) -> bool:
    return any(_translations(options))


def _translations(options: Options) -> tuple[str, str]:
    """Return the other destination and the other source of a connection, each if there is one."""
    called = _end(options["-d"], options.get("--dport", ""))
    opener = _end(options["-s"], options.get("--sport", ""))
    replier, asked = _reply_addresses(options)
    other = _end(replier, options.get("--reply-port-src", ""))
    answered = _end(asked, options.get("--reply-port-dst", ""))
    return (other if other != called else "", answered if answered != opener else "")


def _end(address: str, port: str) -> str:
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _made_again(options: Options) -> str:
    """Return the command that makes a connection again, translated as it was.

    The kernel translates only what it is asked to: to name the answer's ends is not enough. The
    family follows from the addresses.
    """
    destination, source = _translations(options)
    words = {name: value for name, value in options.items() if name not in {*_REPLY, "-f"}}
    words |= {"-g": destination} if destination else {}
    words |= {"-n": source} if source else {}
    return " ".join(("-A", *(word for pair in words.items() for word in pair)))


def _conntrack(*arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        ("conntrack", *arguments),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TOOL_SECONDS,
    )
    return done.stdout
