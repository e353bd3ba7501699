"""The real SSHGUARD at work: its log reader, parser and blocker, with us as its firewall.

A process of its own holds the three together, decides whom a ban may meet, and keeps the chain as
it should be. It ends with SIGTERM and takes the three with it.
"""

import fcntl
import os
import re
import select
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import IO, Final

from portlight.guest.guard.bans import Ban, load_bans, protector, save_bans, sync_chain
from portlight.guest.guard.clock import wall_clock
from portlight.guest.guard.daemon import start_daemon
from portlight.guest.guard.firewall import Firewall, FirewallError
from portlight.guest.guard.flows import Network
from portlight.guest.guard.journal import Journal
from portlight.guest.guard.protected import load_protected
from portlight.guest.guard.sessions import ssh_sessions
from portlight.guest.guard.sockets import Address

_FOLDERS: Final = ("/usr/libexec/sshguard", "/usr/lib/sshguard", "/usr/local/libexec/sshguard")
_LOGS: Final = ("/var/log/auth.log", "/var/log/secure")
_LOOK_SECONDS: Final = 1.0
_BLOCKING: Final = re.compile(r'Blocking "(?P<network>[^"]+)" (?P<why>.*)')


class SshguardError(Exception):
    """SSHGUARD cannot be started; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When SSHGUARD bans (sshguard(8)); most attacks have a score of 10."""

    threshold: int = 30
    block_seconds: int = 120
    detection_seconds: int = 1800


def start(
    journal: Journal,
    firewall: Firewall,
    *,
    log: Path | None = None,
    policy: Policy,
    spare: Sequence[Network] = (),
) -> None:
    """Start guarding; `spare` is never banned, beside all that is protected."""
    chosen = log or next((Path(path) for path in _LOGS if Path(path).exists()), None)
    if chosen is None:
        raise SshguardError("this server writes no auth.log: name the file with --log")
    if running(journal):
        raise SshguardError("it runs already; `sshguard stop` ends it")
    commands = _commands(_programs(), chosen.absolute(), policy)
    journal.folder.mkdir(parents=True, exist_ok=True)
    with journal.locked():
        sync_chain(firewall, load_bans(journal.folder).banned)
    start_daemon(lambda ready: _guard(journal, firewall, commands, spare, ready))


def stop(journal: Journal) -> bool:
    """End the guard; bans stay. Return whether it ran."""
    pid = running(journal)
    if pid:
        descriptor = os.pidfd_open(pid)
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        select.select([descriptor], [], [], 10)
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
    with journal.locked():
        before = load_bans(journal.folder)
        after = before.without(network)
        save_bans(journal.folder, after)
        sync_chain(firewall, after.banned)
    return len(before.banned) - len(after.banned)


def _pid_file(journal: Journal) -> Path:
    return journal.folder / "sshguard.pid"


def _programs() -> Path:
    found = next((Path(path) for path in _FOLDERS if (Path(path) / "sshg-blocker").exists()), None)
    if found is None:
        raise SshguardError("SSHGUARD is not installed; on Debian: apt-get install sshguard")
    return found


def _commands(programs: Path, log: Path, policy: Policy) -> tuple[tuple[str, ...], ...]:
    blocker = (
        *(str(programs / "sshg-blocker"), "-a", str(policy.threshold)),
        *("-p", str(policy.block_seconds), "-s", str(policy.detection_seconds)),
    )
    return (
        # Not sshg-logtail: that passes the name through a shell.
        ("tail", "-F", "-n", "0", str(log)),
        (str(programs / "sshg-parser"),),
        blocker,
    )


def _guard(
    journal: Journal,
    firewall: Firewall,
    commands: Sequence[tuple[str, ...]],
    spare: Sequence[Network],
    ready: Callable[[], None],
) -> None:
    """Hold SSHGUARD together until it or we are ended."""
    with _pid_file(journal).open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        pipeline = _start_pipeline(commands)
        signal.signal(signal.SIGTERM, lambda *_: _end(pipeline))
        ready()
        backend = _Backend(journal=journal, firewall=firewall, spare=tuple(spare))
        try:
            _serve(pipeline[-1], backend)
        finally:
            _end(pipeline)


def _start_pipeline(commands: Sequence[tuple[str, ...]]) -> list[subprocess.Popen[bytes]]:
    """Start the programs, each reading what the one before it writes."""
    tie = ("setpriv", "--pdeathsig", "TERM", "--") if shutil.which("setpriv") else ()
    running: list[subprocess.Popen[bytes]] = []
    source: IO[bytes] | int | None = subprocess.DEVNULL
    for command in commands:
        process = subprocess.Popen(
            (*tie, *command),
            stdin=source,
            stdout=subprocess.PIPE,
            # Reasons of a ban are told to people only.
            stderr=subprocess.PIPE if command is commands[-1] else subprocess.DEVNULL,
            env={**os.environ, "SSHGUARD_DEBUG": "1", "LANG": "C"},
        )
        source = process.stdout
        running.append(process)
    for process in running[:-1]:
        if process.stdout is not None:
            process.stdout.close()
    return running


def _end(pipeline: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in pipeline:
        process.terminate()


def _serve(blocker: subprocess.Popen[bytes], backend: "_Backend") -> None:
    """Do what the blocker says until it ends; look after the chain meanwhile."""
    # Reasons come before the command they belong to: in this order they are read.
    order = [stream.fileno() for stream in (blocker.stderr, blocker.stdout) if stream]
    rests = dict.fromkeys(order, b"")
    while rests:
        waiting = select.select(list(rests), [], [], _LOOK_SECONDS)[0]
        for descriptor in [one for one in order if one in waiting]:
            data = os.read(descriptor, 65536)
            *lines, rests[descriptor] = (rests[descriptor] + data).split(b"\n")
            if not data:
                del rests[descriptor]
            for line in lines:
                backend.hear(line.decode(errors="replace"))
        backend.settle()


@dataclass(slots=True, kw_only=True)
class _Backend:
    """What SSHGUARD takes for its firewall."""

    journal: Journal
    firewall: Firewall
    spare: tuple[Network, ...]
    reason: str = ""

    def hear(self, line: str) -> None:
        """Take one line of the blocker: a reason, or a command."""
        words = line.split()
        if found := _BLOCKING.search(line):
            self.reason = found["why"]
        elif words[:1] == ["block"]:
            self._block(ip_network(f"{words[1]}/{words[3]}", strict=False))
        elif words[:1] == ["release"]:
            unban(self.journal, self.firewall, ip_network(f"{words[1]}/{words[3]}", strict=False))

    def settle(self) -> None:
        """Bring the chain to what should be banned; a failure is tried again next time."""
        try:
            with self.journal.locked():
                self._lift_wrong_bans()
                sync_chain(self.firewall, load_bans(self.journal.folder).banned)
        except (FirewallError, OSError, subprocess.SubprocessError):
            return

    def _block(self, network: Network) -> None:
        ban = Ban(network=str(network), reason=self.reason or "attack", at=wall_clock())
        with self.journal.locked():
            bans = load_bans(self.journal.folder)
            why = protector(network, self._protected())
            if why:
                spared = Ban(network=ban.network, reason=f"{why}; {ban.reason}", at=ban.at)
                save_bans(self.journal.folder, bans.with_spared(spared))
            else:
                save_bans(self.journal.folder, bans.with_ban(ban))
                sync_chain(self.firewall, load_bans(self.journal.folder).banned)

    def _lift_wrong_bans(self) -> None:
        """End bans of what was declared protected after they were made."""
        bans = load_bans(self.journal.folder)
        wrong = [one for one in bans.banned if protector(ip_network(one.network), self._declared())]
        for one in wrong:
            bans = bans.without(ip_network(one.network))
        if wrong:
            save_bans(self.journal.folder, bans)

    def _declared(self) -> Iterator[tuple[Address | Network, str]]:
        for network in self.spare:
            yield network, "spared by its start"
        for one in load_protected(self.journal.folder):
            yield one.network, f"protected: {one}"

    def _protected(self) -> Iterator[tuple[Address | Network, str]]:
        yield from self._declared()
        for session in ssh_sessions():
            yield session.socket.remote, f"SSH session of {session.user}"


def origin_networks(environment: str) -> tuple[Network, ...]:
    """Return the address that an SSH session comes from, from SSH_CONNECTION."""
    words = environment.split()
    return (ip_network(ip_address(words[0])),) if words else ()
