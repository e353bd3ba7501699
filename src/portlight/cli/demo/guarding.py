"""The acts about the firewall inside a server: nobody is locked out, and who guesses is banned."""

import asyncio
import time

from portlight.cli.demo.acts import address_of
from portlight.cli.demo.stage import Stage, wait_until
from portlight.cli.guest_process import Finished

_TOOL = ("/bin/sh", "/run/guest/portlight-guest")
_SECONDS = 5
"""Of the timer: one try to get in, which waits for a second, has to end well before."""
_LOG = "/run/auth.log"
_FAILURE = "Failed password for root from {address} port 40000 ssh2"
"""What an SSH server writes into its log."""


async def nobody_is_locked_out(stage: Stage) -> None:
    """Try to close the server to its operator, then insist on it."""
    operator = address_of(stage.port("client"))
    await _guest(stage, "protect", "add", operator, "tcp/80")
    closing = ("iptables", "-P", "INPUT", "DROP")
    refused = await _guest(stage, *closing)
    reason = next(
        (line.strip() for line in refused.output.splitlines() if " by filter" in line), ""
    )
    stage.note(
        "a firewall change that would lock its operator out is refused",
        reason,
        held=refused.status == 1 and await _reaches(stage, "client"),
    )
    forced = (closing[0], "--force", "--confirm-within", str(_SECONDS), *closing[1:])
    await _guest(stage, *forced)
    applied = time.monotonic()
    shut = not await _reaches(stage, "client")

    async def open_again() -> bool:
        return await _reaches(stage, "client")

    await wait_until("the change is taken back", open_again)
    stage.note(
        "and one that is forced is taken back unless it is confirmed",
        f"shut, and open again {time.monotonic() - applied:.1f} s after it was applied"
        f" (timer: {_SECONDS} s)",
        held=shut,
    )


async def guessing_is_banned(stage: Stage) -> None:
    """Let somebody fail to log in three times within a moment."""
    attacker = address_of(stage.port("back"))
    await stage.run("web", "touch", _LOG)
    await _guest(stage, "sshguard", "start", "--log", _LOG)
    before = await _reaches(stage, "back")
    line = _FAILURE.format(address=attacker)
    await stage.run("web", "sh", "-c", f"for n in 1 2 3; do echo '{line}' >>{_LOG}; done")

    async def banned() -> bool:
        return not await _reaches(stage, "back")

    seconds = await wait_until("the attacker is banned", banned)
    reason = (await _guest(stage, "sshguard", "bans")).output
    still, _ = await asyncio.gather(_reaches(stage, "client"), _guest(stage, "sshguard", "stop"))
    await _guest(stage, "sshguard", "unban", attacker)
    stage.note(
        "who guesses passwords is banned by SSHGUARD, and nobody else",
        f"{attacker} cut off after {seconds:.1f} s: {reason.strip().partition('  SSH: ')[2]}",
        held=before and still and await _reaches(stage, "back"),
    )


async def _guest(stage: Stage, *words: str) -> Finished:
    return await stage.run("web", *_TOOL, *words)


async def _reaches(stage: Stage, guest: str) -> bool:
    web = address_of(stage.port("web"))
    return (await stage.run(guest, "nc", "-z", "-w", "1", web, "80")).status == 0
