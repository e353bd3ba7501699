"""The server's own iptables: run, read, and the commands that put a state back."""

import shutil
import subprocess
from dataclasses import dataclass
from typing import Final, Literal

from portlight.guest.guard.journal import Step

FAMILIES: Final = (4, 6)
Backend = Literal["", "nft", "legacy"]
"""Empty: whatever `iptables` is on this server."""
_TOOL_SECONDS: Final = 60.0


class FirewallError(Exception):
    """A tool of iptables failed; the text is its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    """iptables and ip6tables with one back end."""

    backend: Backend = ""

    def tool(self, family: int, verb: Literal["", "save", "restore"] = "") -> str:
        """Return the name of a tool, such as `ip6tables-legacy-save`."""
        base = "iptables" if family == FAMILIES[0] else "ip6tables"
        return "-".join(part for part in (base, self.backend, verb) if part)

    def run(self, family: int, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run iptables with a command; wait for others that use it."""
        wait = () if any(word.startswith(("-w", "--wait")) for word in arguments) else ("-w",)
        return _run((self.tool(family), *wait, *arguments))

    def must(self, family: int, *arguments: str) -> str:
        """Run iptables; FirewallError when it refuses."""
        return _checked(self.run(family, *arguments))

    def save(self, family: int, *, counters: bool = False) -> str:
        """Return all tables as iptables-save prints them; empty if the tool is not there."""
        tool = self.tool(family, "save")
        if shutil.which(tool) is None:
            return ""
        return _checked(_run((tool, "-c") if counters else (tool,)))

    def restore_step(self, family: int, text: str) -> Step:
        """Return the command that puts all tables of a saved text in place, each in one step."""
        return Step(argv=(self.tool(family, "restore"), "-w", "-c"), stdin=text)

    def restore(self, family: int, text: str) -> None:
        """Put all tables of a saved text in place."""
        step = self.restore_step(family, text)
        _checked(_run(step.argv, step.stdin))


def _run(argv: tuple[str, ...], stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, input=stdin, capture_output=True, text=True, check=False, timeout=_TOOL_SECONDS
    )


def _checked(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode:
        raise FirewallError(done.returncode, done.stderr.strip())
    return done.stdout
