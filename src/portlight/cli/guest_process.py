"""Run a command inside an instance and read what it says.

An instance's processes live in namespaces of their own; `nsenter` of the host enters all of them.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a command inside an instance ended."""

    status: int
    output: str
    """Standard output and standard error, as they came."""


def guest_command(init_pid: int, argv: Sequence[str]) -> list[str]:
    """Return the command line that runs `argv` in every namespace of the instance's init.

    nsenter waits outside for the command inside; when nsenter is ended, so is the command.
    """
    enter = ["nsenter", "--target", str(init_pid), "--all", "--"]
    return [*enter, "setpriv", "--pdeathsig", "TERM", "--", *argv]


async def start_in_guest(init_pid: int, argv: Sequence[str]) -> asyncio.subprocess.Process:
    """Start a command inside an instance; its output is a pipe."""
    return await asyncio.create_subprocess_exec(
        *guest_command(init_pid, argv),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def run_in_guest(init_pid: int, argv: Sequence[str], *, seconds: float = 20.0) -> Finished:
    """Run a command inside an instance to its end; it is killed after `seconds` (status 124)."""
    process = await start_in_guest(init_pid, argv)
    try:
        raw, _ = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        process.kill()
        raw, _ = await process.communicate()
        return Finished(status=124, output=raw.decode(errors="replace"))
    return Finished(status=process.returncode or 0, output=raw.decode(errors="replace"))
