"""A server and its clients: two namespaces, one link, a real SSH server, and our tools in it."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.kernel.lab import inside, run, wait_until

SERVER, OPERATOR, ATTACKER = "10.77.0.1", "10.77.0.2", "10.77.0.66"
SERVER6, OPERATOR6, ATTACKER6 = "fd77::1", "fd77::2", "fd77::66"
ROOT = Path(__file__).parents[2]
NO_RULES = "".join(
    f"*{table}\n" + "".join(f":{chain} ACCEPT [0:0]\n" for chain in chains) + "COMMIT\n"
    for table, chains in (
        ("raw", ("PREROUTING", "OUTPUT")),
        ("mangle", ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")),
        ("nat", ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")),
        ("filter", ("INPUT", "FORWARD", "OUTPUT")),
    )
)
_SERIAL = itertools.count()
_SSHD = """\
HostKey {folder}/host_key
AuthorizedKeysFile /run/sshd/operator.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
StrictModes no
PidFile none
LogLevel INFO
MaxStartups 100
SetEnv PORTLIGHT_GUEST_STATE={folder}/state
"""
# sshd wants /run/sshd; in a view of its own nothing is left of it, nor of a user of its own.
_START_SSHD = """\
mount -t tmpfs -o mode=755 none /run && mkdir /run/sshd || exit 1
install -m 644 $2/operator.pub /run/sshd/ || exit 1
for file in passwd shadow sudoers; do mount --bind $2/$file /etc/$file || exit 1; done
exec /usr/sbin/sshd -D -f $0 -E $1
"""
SUDOER = "operator"
"""Somebody who may become root there, without a password."""
_USERS = {
    "passwd": (f"{SUDOER}:x:4242:4242::/:/bin/sh\n", 0o644),
    "shadow": (f"{SUDOER}:*:19000::::::\n", 0o600),
    "sudoers": (f"{SUDOER} ALL=(ALL) NOPASSWD: ALL\n", 0o440),
}


class GuestPair:
    """What a test does on the server, and from outside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        name = f"gd{os.getpid()}-{next(_SERIAL)}"
        self.server, self.client = f"{name}-s", f"{name}-c"
        self.state = folder / "state"
        self.auth_log = folder / "auth.log"
        self._running: list[subprocess.Popen[bytes]] = []

    def guest(
        self, *words: str, check: bool = True, stdin: str | None = None, path: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run our tool on the server, as somebody who sits at it and may have a PATH of his own."""
        done = subprocess.run(
            self.enter(self.server, self.tool(*words)),
            env=self._environment() | ({"PATH": path} if path else {}),
            input=stdin,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
            timeout=60,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done

    def tool(self, *words: str) -> tuple[str, ...]:
        return (sys.executable, "-P", "-m", "portlight.guest.entry", *words)

    def python(self, program: str) -> str:
        """Run a program on the server that uses our sources; return what it prints."""
        command = self.enter(self.server, (sys.executable, "-P", "-c", program))
        environment = self._environment()
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=60
        ).stdout

    def start_again(self) -> None:
        """Take all rules, declarations and history from the server."""
        if list(self.state.glob("changes/*.watch")):
            self.guest("firewall", "rollback")
        for program in ("iptables", "ip6tables"):
            inside(self.server, "sh", "-c", f"echo '{NO_RULES}' | {program}-restore")
        shutil.rmtree(self.state, ignore_errors=True)

    def ssh(
        self,
        *command: str,
        options: Sequence[str] = (),
        user: str = "root",
        to: str = SERVER,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the server over SSH."""
        return self.outside("ssh", *self.ssh_options(), *options, f"{user}@{to}", *command)

    def ssh_options(self) -> tuple[str, ...]:
        chosen = (
            f"IdentityFile={self.folder}/operator",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "BatchMode=yes",
        )
        return ("-F", "none", *(word for one in chosen for word in ("-o", one)))

    def outside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command where the operator sits."""
        return subprocess.run(
            self.enter(self.client, command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def fail_to_log_in(self, times: int, source: str) -> None:
        """Fail so many times, all at once, and go away; one more tries and may be cut off."""
        known = self.auth_log.read_text().count("Invalid user")
        options = (*self.ssh_options(), "-b", source)
        server = server_for(source)
        attempts = [
            self.start(self.client, "ssh", *options, f"nobody{number}@{server}", "true")
            for number in range(times + 1)
        ]
        wait_until(lambda: self.auth_log.read_text().count("Invalid user") >= known + times)
        for attempt in attempts:
            attempt.kill()
            attempt.communicate()
            self._running.remove(attempt)

    def start(self, namespace: str, *command: str) -> subprocess.Popen[bytes]:
        """Start a program that ends with the pair."""
        process = subprocess.Popen(
            self.enter(namespace, command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment(),
        )
        self._running.append(process)
        return process

    def reaches(self, source: str = OPERATOR, port: int = 22, seconds: int = 1) -> bool:
        """Whether a new connection from outside is accepted."""
        command = ("nc", "-z", "-w", str(seconds), "-s", source, server_for(source), str(port))
        return subprocess.run(self.enter(self.client, command), check=False).returncode == 0

    def rules(self, program: str = "iptables") -> list[str]:
        return inside(self.server, program, "-S").splitlines()

    def iptables(self, *words: str) -> None:
        inside(self.server, "iptables", "-w", *words)

    def build(self) -> None:
        for name in (self.server, self.client):
            run("ip", "netns", "add", name)
            inside(name, "ip", "link", "set", "lo", "up")
        inside(self.server, "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0",
               "netns", self.client)  # fmt: skip
        for name, addresses in (
            (self.server, (f"{SERVER}/24", f"{SERVER6}/64")),
            (
                self.client,
                (f"{OPERATOR}/24", f"{ATTACKER}/24", f"{OPERATOR6}/64", f"{ATTACKER6}/64"),
            ),
        ):
            for address in addresses:
                family = ("nodad",) if ":" in address else ()
                inside(name, "ip", "address", "add", address, "dev", "eth0", *family)
            inside(name, "ip", "link", "set", "eth0", "up")
        self._start_sshd()

    def _start_sshd(self) -> None:
        for key in ("host_key", "operator"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / key))
        for name, (line, mode) in _USERS.items():
            file = self.folder / name
            file.write_text(Path(f"/etc/{name}").read_text() + line)
            file.chmod(mode)
        config = self.folder / "sshd_config"
        config.write_text(_SSHD.format(folder=self.folder))
        self.start(self.server, "unshare", "--mount", "sh", "-c", _START_SSHD, str(config),
                   str(self.auth_log), str(self.folder))  # fmt: skip
        wait_until(self.reaches, self.auth_log.read_text)

    def remove(self) -> None:
        for process in self._running:
            process.kill()
            process.communicate()
        for name in (self.server, self.client):
            for pid in run("ip", "netns", "pids", name, check=False).split():
                with contextlib.suppress(ProcessLookupError):  # it ended by itself meanwhile
                    os.kill(int(pid), signal.SIGKILL)
            run("ip", "netns", "delete", name, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def enter(self, namespace: str, command: Sequence[str]) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{namespace}", *command]

    def _environment(self) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("SSH_")}
        return clean | {
            "PORTLIGHT_GUEST_STATE": str(self.state),
            "PYTHONPATH": str(ROOT / "src"),
        }


def server_for(source: str) -> str:
    """Return the server's address of the same family."""
    return SERVER6 if ":" in source else SERVER


@contextmanager
def guest_pair(folder: Path) -> Iterator[GuestPair]:
    """Yield a server and its client side; remove both."""
    pair = GuestPair(folder)
    try:
        pair.build()
        yield pair
    finally:
        pair.remove()
