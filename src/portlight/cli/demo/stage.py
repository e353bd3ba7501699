"""The stage of the demonstration: guests, background programs, and a notebook of claims.

Waits for conditions with a deadline; never sleeps and hopes. What it started inside guests ends
with it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from portlight.cli.guest_process import Finished, run_in_guest, start_in_guest
from portlight.client.client import Client
from portlight.client.resources import Instance, Port, VirtualIpState

PREFIX = "demo-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One thing that was claimed, and what was seen."""

    text: str
    seen: str
    held: bool


class DemoError(Exception):
    """The demonstration cannot go on."""


async def wait_until(
    what: str, condition: Callable[[], Awaitable[bool]], *, seconds: float = 15.0
) -> float:
    """Return after how many seconds the condition held; raise DemoError at the deadline."""
    started = time.monotonic()
    while not await condition():
        if time.monotonic() - started > seconds:
            raise DemoError(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(0.02)
    return time.monotonic() - started


@dataclass(slots=True)
class Stage:
    """What the acts of the demonstration share."""

    client: Client
    folder: Path
    """For the files that guests' programs read."""
    claims: list[Claim] = field(default_factory=list)
    _background: list[asyncio.subprocess.Process] = field(default_factory=list)

    def note(self, text: str, seen: str, *, held: bool) -> None:
        """Write down a claim."""
        self.claims.append(Claim(text=text, seen=seen, held=held))

    def guest(self, name: str) -> Instance:
        """Return a guest by name, as it is now."""
        return self.client.instances.find(PREFIX + name)

    def port(self, name: str) -> Port:
        """Return a port by name, as it is now."""
        return self.client.ports.find(PREFIX + name)

    def drops(self, port_id: str, reason: str) -> int:
        """Return how many packets of a port were dropped for a reason so far."""
        counted = self.client.counters(port_id).counters
        return sum(one.packets for one in counted if one.reason == reason)

    async def run(self, guest: str, *argv: str, seconds: float = 20.0) -> Finished:
        """Run a command inside a guest to its end."""
        return await run_in_guest(self._init(guest), argv, seconds=seconds)

    async def start(self, guest: str, argv: Sequence[str]) -> asyncio.subprocess.Process:
        """Start a program inside a guest; it ends with the stage."""
        process = await start_in_guest(self._init(guest), argv)
        self._background.append(process)
        return process

    async def pings(self, guest: str, address: str) -> bool:
        """Whether one ping is answered within a second."""
        done = await self.run(guest, "ping", "-n", "-c", "1", "-W", "1", address)
        return done.status == 0

    async def dropped_more(self, port_id: str, reason: str, than: int) -> int:
        """Wait for one more drop of this reason; return how many more there are."""

        async def counted() -> bool:
            return self.drops(port_id, reason) > than

        await wait_until(f"a drop counted as {reason}", counted, seconds=5)
        return self.drops(port_id, reason) - than

    async def owned_by(self, virtual_ip_id: str, port_id: str) -> VirtualIpState:
        """Wait until a member owns a virtual IP."""

        async def owns() -> bool:
            return self.client.state(virtual_ip_id).owner_port_id == port_id

        await wait_until("the member owns the virtual IP", owns)
        return self.client.state(virtual_ip_id)

    async def close(self) -> None:
        """End the programs that were started inside guests."""
        for process in self._background:
            if process.returncode is None:
                process.terminate()
            await process.communicate()
        self._background.clear()

    def _init(self, guest: str) -> int:
        init = self.guest(guest).init_pid
        if init is None:
            raise DemoError(f"the instance {PREFIX}{guest} does not run")
        return init
