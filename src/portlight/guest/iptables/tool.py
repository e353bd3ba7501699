"""The door to the real tools of this machine: iptables-save, iptables-restore and the names' files.

Starts programs and reads files; decides nothing. Everything it changes, it changes by one call of
iptables-restore, which takes a table whole or not at all.
"""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from portlight.guest.iptables.names import Names
from portlight.guest.iptables.parse import parse_save
from portlight.guest.iptables.problems import Dialect
from portlight.guest.iptables.rules import RuleSet

SECONDS: Final = 60.0
"""A tool that waits longer for its lock is given up."""
_PROGRAMS: Final = {4: "iptables", 6: "ip6tables"}
_BACKENDS: Final = ("nft", "legacy")
_SYSTEM_FOLDERS: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_BANNER: Final = re.compile(r"v(\d[\d.]*)(?: \((\w+)\))?")


class ToolError(Exception):
    """A tool is missing, or said no."""

    def __init__(self, said: str, status: int) -> None:
        super().__init__(said)
        self.said = said
        """What it wrote to standard error, as it came."""
        self.status = status


def search_path() -> str:
    """Return PATH with the folders of the system's tools, which not everybody has in it."""
    folders = (*os.environ.get("PATH", "").split(":"), *_SYSTEM_FOLDERS)
    return ":".join(folder for folder in dict.fromkeys(folders) if folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """The tools of one address family and one back end."""

    family: int = 4
    backend: str | None = None
    """nft or legacy; None is what the machine calls iptables."""

    def program(self, suffix: str = "") -> str:
        """Return the program's name: iptables, ip6tables-restore, iptables-legacy-save."""
        middle = f"-{self.backend}" if self.backend else ""
        return f"{_PROGRAMS[self.family]}{middle}{suffix}"

    def path(self, suffix: str = "") -> str:
        """Return where the program is, whatever PATH says later; raises ToolError."""
        found = shutil.which(self.program(suffix), path=search_path())
        if found is None:
            raise ToolError(f"{self.program(suffix)} is not installed", 127)
        return found

    def run(self, suffix: str, *arguments: str, stdin: str = "") -> str:
        """Run one of the tools and return its output; raises ToolError."""
        done = subprocess.run(
            [self.path(suffix), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            errors="surrogateescape",  # a comment may be any bytes
            check=False,
            timeout=SECONDS,
        )
        if done.returncode != 0:
            raise ToolError(done.stderr or done.stdout, done.returncode)
        return done.stdout

    def save(self) -> str:
        """Return the rules and counters of now, as a save file."""
        return self.run("-save", "-c")

    def read(self, names: Names) -> RuleSet:
        """Return the rule set of now."""
        return parse_save(self.save(), self.family, names)

    def check(self, text: str) -> None:
        """Let the tool read a save file without taking it; raises ToolError."""
        self.run("-restore", "--test", stdin=text)

    def restore(self, text: str) -> None:
        """Put a save file, with its counters, in the place of its tables."""
        self.run("-restore", "--counters", stdin=text)

    def dialect(self) -> Dialect:
        """Return which tool answers here, for messages and listings."""
        found = _BANNER.search(self.run("", "-V"))
        version, backend = (found[1], found[2]) if found else ("0", None)
        return Dialect(
            program=_PROGRAMS[self.family], version=version, is_nft=backend == "nf_tables"
        )


def backends_in_use(family: int) -> tuple[str, ...]:
    """Return the back ends that hold rules now; rules of both are applied by the kernel."""
    found = []
    for backend in _BACKENDS:
        with suppress(ToolError):
            if "-A " in Tool(family=family, backend=backend).run("-save"):
                found.append(backend)
    return tuple(found)


@lru_cache(maxsize=1)
def system_names() -> Names:
    """Return what names stand for on this machine."""
    return Names(
        protocols=_protocols(),
        services=_services(),
        users=_users(),
        resolve=_resolve,
        host=_host,
    )


def _columns(path: str) -> Iterator[list[str]]:
    """Yield the words of each line of a file; none if the file is missing."""
    with suppress(OSError):
        for line in Path(path).read_text(errors="replace").splitlines():
            words = line.partition("#")[0].split()
            if len(words) > 1:
                yield words


def _protocols() -> Mapping[str, int]:
    return {words[0]: int(words[1]) for words in _columns("/etc/protocols")}


def _services() -> Mapping[tuple[str, str], int]:
    """Return names and aliases; the name of a port is the first that has it."""
    primary: dict[tuple[str, str], int] = {}
    aliases: dict[tuple[str, str], int] = {}
    for name, place, *others in _columns("/etc/services"):
        port, _, protocol = place.partition("/")
        primary.setdefault((name, protocol), int(port))
        for other in others:
            aliases.setdefault((other, protocol), int(port))
    return {**primary, **{key: port for key, port in aliases.items() if key not in primary}}


def _users() -> Mapping[int, str]:
    found: dict[int, str] = {}
    with suppress(OSError):
        for line in Path("/etc/passwd").read_text(errors="replace").splitlines():
            name, _, number, *_ = [*line.split(":"), "", ""]
            if number.isdecimal():
                found.setdefault(int(number), name)
    return found


def _resolve(name: str, family: int) -> tuple[str, ...]:
    kind = socket.AF_INET if family == 4 else socket.AF_INET6  # noqa: PLR2004 -- the family's name
    try:
        answers = socket.getaddrinfo(name, None, kind, socket.SOCK_RAW)
    except OSError:
        return ()
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))


def _host(address: str) -> str | None:
    try:
        return socket.gethostbyaddr(address)[0]
    except OSError:
        return None
