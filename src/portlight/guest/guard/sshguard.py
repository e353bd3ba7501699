"""The real SSHGUARD at work, with us as its firewall.

A process of its own holds its programs together, decides whom a ban may meet, and keeps the chain
as it should be. It ends with SIGTERM and takes the programs with it. What it was told is kept, and
it is started again with the server until somebody stops it.
"""

import fcntl
import os
import re
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from portlight.guest.guard.bans import (
    Ban,
    Bans,
    held_bans,
    load_bans,
    protector,
    save_bans,
    sync_chain,
)
from portlight.guest.guard.clock import boottime, wall_clock
from portlight.guest.guard.daemon import start_daemon
from portlight.guest.guard.firewall import Firewall
from portlight.guest.guard.flows import Network
from portlight.guest.guard.journal import Journal
from portlight.guest.guard.orders import Orders, forget_orders, load_orders, save_orders
from portlight.guest.guard.pipeline import Pipeline, SshguardError, programs_folder
from portlight.guest.guard.protected import ProtectedError, load_protected
from portlight.guest.guard.sessions import ssh_sessions
from portlight.guest.guard.sockets import Address
from portlight.guest.iptables.tool import ToolError

_LOGS: Final = ("/var/log/auth.log", "/var/log/secure")
_LOOK_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 10.0
_ATTACK: Final = re.compile(r"on service (?P<service>.+) with danger")
_BLOCKING: Final = re.compile(r'Blocking "[^"]+" (?P<why>for (?P<seconds>\d+) secs .*)')


def find_log(log: Path | None) -> Path:
    """Return the log to read: the one that was named, or the one that the server has."""
    chosen = log or next((Path(path) for path in _LOGS if Path(path).exists()), None)
    if chosen is None:
        raise SshguardError("this server writes no auth.log: name the file with --log")
    if not chosen.exists():
        raise SshguardError(f"there is no file {chosen}")
    return chosen.absolute()


def start(journal: Journal, orders: Orders) -> None:
    """Start guarding, now and with every start of the server."""
    start_daemon(_guard(journal, orders))
    save_orders(journal.folder, orders)


def run(journal: Journal) -> None:
    """Guard as it was last ordered, until this process is ended."""
    orders = load_orders(journal.folder)
    if orders is None:
        raise SshguardError("it was never started here: `sshguard start`")
    _guard(journal, orders)(lambda: None)


def _guard(journal: Journal, orders: Orders) -> Callable[[Callable[[], None]], None]:
    """Make all ready; return what guards."""
    if running(journal):
        raise SshguardError("it runs already; `sshguard stop` ends it")
    programs = programs_folder()
    backend = _Backend(
        journal=journal, firewall=Firewall(backend=orders.backend), spare=orders.spared
    )
    with held_bans(journal.folder):
        sync_chain(backend.firewall, load_bans(journal.folder).banned)

    def guard(ready: Callable[[], None]) -> None:
        with _pid_file(journal).open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            backend.serve(Pipeline(programs, Path(orders.log), orders.policy), ready)

    return guard


def stop(journal: Journal) -> bool:
    """End the guard for good; bans stay. Return whether it ran."""
    forget_orders(journal.folder)
    pid = running(journal)
    if pid:
        descriptor = os.pidfd_open(pid)
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        select.select([descriptor], [], [], _STOP_SECONDS)
        os.close(descriptor)
    return bool(pid)


def running(journal: Journal) -> int:
    """Return the process that guards, 0 when none does."""
    path = _pid_file(journal)
    if not path.exists():
        return 0
    with path.open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read() or 0)
    return 0


def unban(journal: Journal, firewall: Firewall, network: Network) -> int:
    """Let a network send again; return how many bans that ended."""
    with held_bans(journal.folder):
        before = load_bans(journal.folder)
        after = before.without(network)
        save_bans(journal.folder, after)
        sync_chain(firewall, after.banned)
    return len(before.banned) - len(after.banned)


def _pid_file(journal: Journal) -> Path:
    return journal.folder / "sshguard.pid"


@dataclass(slots=True, kw_only=True)
class _Backend:
    """What SSHGUARD takes for its firewall."""

    journal: Journal
    firewall: Firewall
    spare: tuple[Network, ...]
    service: str = ""
    reason: str = "attack"
    seconds: int = 0
    """Of the ban that is about to come."""
    heard: list[Ban] = field(default_factory=list)
    """What the blocker asked for, and is not written down yet."""
    believed: set[str] = field(default_factory=set)
    """The networks that the blocker takes for banned, and that should be."""

    def serve(self, pipeline: Pipeline, ready: Callable[[], None]) -> None:
        """Do what the blocker says until it ends; look after the chain meanwhile."""
        asked = []

        def end(*_: object) -> None:
            asked.append(True)
            pipeline.end()

        signal.signal(signal.SIGTERM, end)
        ready()
        try:
            while (lines := pipeline.lines(_LOOK_SECONDS)) is not None:
                for line in lines:
                    self._hear(line)
                if self._settle():
                    pipeline.replace_blocker()
                    self.believed.clear()
        finally:
            pipeline.end()
        if not asked:
            raise SshguardError("SSHGUARD's programs ended by themselves")

    def _hear(self, line: str) -> None:
        """Take one line of the blocker: a reason, or a command."""
        words = line.split()
        if found := _ATTACK.search(line):
            self.service = found["service"]
        elif found := _BLOCKING.search(line):
            self.reason, self.seconds = f"{self.service}: {found['why']}", int(found["seconds"])
        elif words[:1] == ["block"]:
            network = ip_network(f"{words[1]}/{words[3]}", strict=False)
            self.heard.append(self._ban(network))

    def _ban(self, network: Network) -> Ban:
        return Ban(
            network=str(network),
            reason=self.reason,
            at=wall_clock(),
            until=boottime() + self.seconds,
        )

    def _settle(self) -> bool:
        """Bring chain and file to what should be banned; say whether somebody lifted a ban.

        A failure is tried again the next time. The chain comes first: bans begin and end also when
        the disk is full.
        """
        now = boottime()
        try:
            with held_bans(self.journal.folder):
                before = load_bans(self.journal.folder)
                bans = self._decide(before, now)
                sync_chain(self.firewall, bans.banned)
                if bans != before:
                    save_bans(self.journal.folder, bans)
        except (ToolError, OSError, subprocess.SubprocessError, ProtectedError):
            return False
        banned = {one.network for one in bans.banned}
        self.believed -= {one.network for one in before.banned if one.until <= now}
        self.believed |= {one.network for one in self.heard} & banned
        self.heard.clear()
        return not self.believed <= banned

    def _decide(self, before: Bans, now: float) -> Bans:
        """Return who should be banned, and who was spared."""
        bans = before
        for ban in self.heard:
            why = protector(ip_network(ban.network), self._protected())
            bans = bans.with_spared(ban, why) if why else bans.with_ban(ban)
        bans = bans.current(now)
        for one in bans.banned:
            if protector(ip_network(one.network), self._declared()):
                bans = bans.without(ip_network(one.network))
        return bans

    def _declared(self) -> Iterator[tuple[Address | Network, str]]:
        for network in self.spare:
            yield network, "the address sshguard was started from"
        for one in load_protected(self.journal.folder):
            yield one.network, f"protected: {one}"

    def _protected(self) -> Iterator[tuple[Address | Network, str]]:
        yield from self._declared()
        for session in ssh_sessions():
            yield session.socket.remote, f"SSH session of {session.user}"
