"""Both families of the server's own iptables with one back end: run, read, put back."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

from portlight.guest.guard.journal import Backend, Step
from portlight.guest.iptables.tool import Tool, ToolError

FAMILIES: Final = (4, 6)
BACKENDS: Final[tuple[Backend, ...]] = ("legacy", "nft")
"""Each has tables of its own, and the kernel asks them all."""
_NOT_INSTALLED: Final = 127
"""What a shell says of a command that is not there."""
_RESTORE: Final = ("-w", "-c")
"""Wait for others that use the tables; take the counters as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    """iptables and ip6tables."""

    backend: Backend = ""

    def tool(self, family: int) -> Tool:
        """Return the tools of one family."""
        return Tool(family=family, backend=self.backend or None)

    def real_backend(self) -> Backend:
        """Return the back end by its name."""
        return self.backend or _usual_backend()

    def run(self, family: int, *arguments: str) -> str:
        """Run iptables; wait for others that use it; ToolError when it refuses."""
        wait = () if any(word.startswith(("-w", "--wait")) for word in arguments) else ("-w",)
        return self.tool(family).run("", *wait, *arguments)

    def save(self, family: int, *, counters: bool = False) -> str:
        """Return all tables as iptables-save prints them; empty without the tool of a family."""
        try:
            return self.tool(family).run("-save", *(("-c",) if counters else ()))
        except ToolError as error:
            if error.status == _NOT_INSTALLED:
                return ""
            raise

    def restore_step(self, family: int, text: str) -> Step:
        """Return the command that puts all tables of a saved text in place, each in one step."""
        return Step(argv=(self.tool(family).path("-restore"), *_RESTORE), stdin=text)

    def alter(self, family: int, table: str, lines: Iterable[str]) -> None:
        """Run commands without `iptables` on a table, all of them or none."""
        text = "".join(f"{line}\n" for line in (f"*{table}", *lines, "COMMIT"))
        self.tool(family).run("-restore", "-w", "--noflush", stdin=text)

    def check(self, family: int, text: str) -> None:
        """Let the tool read a saved text without taking it; ToolError when it refuses."""
        self.tool(family).check(text)

    def restore(self, family: int, text: str) -> None:
        """Put all tables of a saved text in place."""
        self.tool(family).run("-restore", *_RESTORE, stdin=text)


@cache
def _usual_backend() -> Backend:
    """Return what `iptables` is on this server; it does not change while a command runs."""
    return "nft" if Tool(family=FAMILIES[0]).dialect().is_nft else "legacy"
