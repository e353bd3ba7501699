"""A machine with a systemd of its own, that can be booted again and again.

Its disk is this machine's, with everything written beside it; its interfaces are cables to the
worlds of `tests.support.servers`, laid anew at each boot. Nothing starts in it but what systemd
itself brings and what a test enables.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

from tests.kernel.lab import inside, run, wait_until
from tests.support.servers import Server, plug, server

from portlight.guest.bundle import bundle
from portlight.guest.remote import BOOTSTRAP, framed

PROGRAM: Final = "/usr/local/bin/portlight-guest.pyz"
_UNITS: Final = Path("etc/systemd/system")
_OTHERS: Final = (
    *("etc/systemd/system", "etc/systemd/network", "etc/netplan", "etc/network/interfaces.d"),
    *("etc/NetworkManager/system-connections", "etc/rcS.d", "etc/rc2.d", "etc/rc3.d", "etc/rc5.d"),
    *("usr/lib/systemd/system-generators", "usr/lib/systemd/network", "var/lib/portlight-guest"),
    *("var/lib/NetworkManager", "var/log"),
)
"""Folders that say what this machine is to do; the other one finds them empty."""
_MASKED: Final = (
    *("systemd-logind.service", "getty.target", "systemd-tmpfiles-clean.timer"),
    *("dev-hugepages.mount", "dev-mqueue.mount"),
    *("systemd-udevd.service", "systemd-udev-trigger.service"),
)
_CGROUPS: Final = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd")
"""Where the tree of control groups is, with or without those of version 1 beside it."""
_START: Final = """
for tree in $TREES; do
	[ ! -e $tree/cgroup.procs ] || { mkdir -p $tree/$0 && echo $$ >$tree/$0/cgroup.procs; }
done
mount -o remount,bind,ro /sys
exec "$@"
"""
"""Two machines must not share a control group: each would take the other's services for its own.
Without a writable /sys nobody waits for an udev to announce interfaces."""


class Machine:
    """One machine, on or off."""

    def __init__(self, folder: Path, worlds: Server) -> None:
        self.root = folder / "root"
        self.worlds = worlds
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make the disk."""
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(self._folder))
        for name in ("upper", "work", "root"):
            (self._folder / name).mkdir()
        layers = f"lowerdir=/,upperdir={self._folder}/upper,workdir={self._folder}/work"
        run("mount", "-t", "overlay", "overlay", "-o", layers, str(self.root))
        for name in _OTHERS:
            shutil.rmtree(self.root / name, ignore_errors=True)
            (self.root / name).mkdir(parents=True)
        for name in ("etc/fstab", "etc/resolv.conf", "etc/network/interfaces"):
            (self.root / name).unlink(missing_ok=True)
            (self.root / name).touch()
        for name in _MASKED:
            (self.root / _UNITS / name).symlink_to("/dev/null")
        (self.root / PROGRAM[1:]).write_bytes(bundle())
        # Nobody else has our addresses.
        names = ("all", "default", *(f"eth{number}" for number in range(len(self.worlds.worlds))))
        quick = "".join(f"net.ipv6.conf.{name}.accept_dad=0\n" for name in names)
        self.write("/etc/sysctl.d/quick.conf", quick)

    def enable(self, *units: str) -> None:
        """Let units of this machine's packages start at boot."""
        run("systemctl", f"--root={self.root}", "--quiet", "enable", *units)

    def disable(self, *units: str) -> None:
        run("systemctl", f"--root={self.root}", "--quiet", "disable", *units)

    def write(self, path: str, text: str) -> None:
        """Write a file on its disk."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def boot(self, before: Callable[[], None] = lambda: None) -> None:
        """Lay the cables, do something, switch it on; return when it has started all it should."""
        for number, world in enumerate(self.worlds.worlds):
            # The old ones go with its old network, but later than its processes.
            inside(world, "ip", "link", "delete", "wire", check=False)
            wait_until(partial(_can_plug, self.worlds, number))
        before()
        self._start()
        self.wait()

    def _start(self) -> None:
        cables = [f"--network-interface=eth{number}" for number in range(len(self.worlds.worlds))]
        self._process = subprocess.Popen(
            (
                *("nsenter", f"--net=/run/netns/{self.worlds.namespace}"),
                *("unshare", "--mount", "sh", "-e", "-c", _START, self.worlds.namespace),
                *("systemd-nspawn", "--quiet", "--keep-unit", "--register=no", "--settings=no"),
                *("--machine", self.worlds.namespace, "--directory", str(self.root), *cables),
                *("--resolv-conf=off", "--timezone=off", "--link-journal=no", "--boot"),
            ),
            env={
                **os.environ,
                "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
                "TREES": " ".join(_CGROUPS),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self) -> None:
        """Wait until it has started all that it should; systemd may have nothing to say to that."""
        wait_until(self._is_up, self._state, seconds=30)
        said = ("journalctl", "--boot", "--quiet", "--no-pager", "--priority", "warning", "_PID=1")
        assert self.run(*said, check=False) == ""
        assert self.run("systemctl", "--failed", "--plain", "--no-legend") == ""

    def _is_up(self) -> bool:
        return self._state() in {"running", "degraded"}

    def _state(self) -> str:
        if not self._init():
            return "off"
        return self.run("systemctl", "is-system-running", check=False).strip()

    def reboot(self, before: Callable[[], None] = lambda: None) -> None:
        """Switch it off as its administrator does, and on again."""
        assert self._process is not None
        self.run("systemctl", "reboot", check=False)
        self._process.wait(30)
        self.boot(before)

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command on it."""
        return run("nsenter", "--target", str(self._init()), "--all", *command, check=check)

    def guest(self, *words: str) -> str:
        """Run `portlight-guest` on it."""
        return self.run("/usr/bin/python3", PROGRAM, *words)

    def from_memory(self, *words: str) -> None:
        """Run `portlight-guest` as over SSH: the program comes along, and is no file there."""
        enter = ("nsenter", "--target", str(self._init()), "--all")
        python = ("/usr/bin/python3", "-I", "-c", BOOTSTRAP)
        subprocess.run(
            (*enter, *python, *words),
            input=framed(bundle()),
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def _init(self) -> int:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        found = children.read_text().split() if children.exists() else []
        return int(found[0]) if found else 0

    def remove(self) -> None:
        """Take the power away, and the disk."""
        if self._process is not None:
            if init := self._init():
                with suppress(ProcessLookupError):  # it ended by itself meanwhile
                    os.kill(init, signal.SIGKILL)
                wait_until(lambda: not Path(f"/proc/{init}").exists())
            self._process.kill()
            self._process.wait()
        for tree in _CGROUPS:
            group = f"{tree}/{self.worlds.namespace}"
            run("find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+", check=False)
        # nspawn leaves it where /run is on a disk.
        with suppress(FileNotFoundError):
            Path("/run/systemd/nspawn/propagate", self.worlds.namespace).rmdir()
        run("umount", "--lazy", str(self.root), check=False)
        run("umount", "--lazy", str(self._folder), check=False)


def _can_plug(worlds: Server, number: int) -> bool:
    with suppress(AssertionError):
        plug(worlds, number)
        return True
    return False


@contextmanager
def machine(folder: Path, cards: int) -> Iterator[Machine]:
    """Yield a machine with so many interfaces, off."""
    with server(folder, cards) as worlds:
        for number in range(cards):
            worlds.run("ip", "link", "delete", f"eth{number}")
        disk = folder / "disk"
        disk.mkdir()
        made = Machine(disk, worlds)
        try:
            made.prepare()
            yield made
        finally:
            made.remove()
