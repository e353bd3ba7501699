"""Driver of instances: namespace, init and files of each guest.

A guest is no child of the agent in effect: it has a session of its own, is known again by the mark
of its init (`<folder>/init`), and holds a lock that makes a second init impossible.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from typing import Any

import portlight
from portlight.dataplane.attempts import attempt_each
from portlight.dataplane.instances.values import Guest, GuestInterface, GuestState
from portlight.dataplane.names import HostNames, is_instance_id
from portlight.dataplane.namespaces import (
    attach_name,
    create_namespace,
    delete_namespace,
    namespace_inode,
    namespace_path,
    run_tool,
)
from portlight.dataplane.processes import ProcessMark, kill_and_wait, read_mark
from portlight.guest import entry
from portlight.plan.delta import Delta
from portlight.values.ids import InstanceId

_SCRIPTS = (
    "boot.sh",
    "quiet.sh",
    "run.sh",
    "lease.sh",
    "lease6.sh",
    "renew.sh",
    "policy.sh",
    "remedies.sh",
)
_NOISY = "noisy"
"""File that is there from the start of a guest until its namespace was made quiet again."""
_GUEST_TOOL = f"""\
#!/bin/sh
PYTHONPATH={Path(portlight.__file__).parents[1]} exec {sys.executable} -P -m {entry.__name__} "$@"
"""
"""Starts the tool for inside a guest; its files are ours, seen from within."""
_LOST = Guest(hostname="", running=False, boot=0, intact=False)
"""What is seen of a guest that nothing is left of but what it kept."""
_BOOT_SECONDS = 10.0
_POLL_SECONDS = 0.002


class InstanceDriver:
    """Reads and writes the guests of this host, by instance id."""

    def __init__(self, names: HostNames) -> None:
        self._names = names

    def read(self) -> Mapping[InstanceId, Guest]:
        """Return the guests that are there, as they are; also one of which only is what it kept."""
        return self._kept() | dict(self._read_one(folder) for folder in self._folders())

    def states(self) -> Mapping[InstanceId, GuestState]:
        """Return what is seen of each guest."""
        found = {}
        for folder in self._folders():
            instance, _ = _load(folder)
            mark = read_mark(folder / "init")
            found[instance] = GuestState(
                namespace=self._names.instance(instance), init_pid=mark.pid if mark else None
            )
        return found

    def apply(self, delta: Delta[InstanceId, Guest]) -> Mapping[InstanceId, Exception]:
        """Start, stop, restart and remove guests; return the failures by instance id."""
        failures = attempt_each(self._remove, delta.remove)
        failures |= attempt_each(lambda key: self._put(key, delta.put[key]), delta.put)
        # All were started before the first is waited for: they boot side by side.
        booting = [key for key, guest in delta.put.items() if guest.running and key not in failures]
        return failures | attempt_each(self._await_boot, booting)

    def end_all(self) -> Mapping[InstanceId, Exception]:
        """End every guest; what they keep stays for the next start of the deployment."""
        return attempt_each(self._end, [_load(folder)[0] for folder in self._folders()])

    def _kept(self) -> dict[InstanceId, Guest]:
        """Return a guest of whom nothing runs for each folder: the machine was restarted."""
        root = self._names.kept_folders
        found = [one.name for one in root.iterdir()] if root.is_dir() else []
        return {InstanceId(one): _LOST for one in found if is_instance_id(one)}

    def _folders(self) -> list[Path]:
        root = self._names.folder / "instances"
        return sorted(path.parent for path in root.glob("*/guest.json"))

    def _read_one(self, folder: Path) -> tuple[InstanceId, Guest]:
        instance, guest = _load(folder)
        mark = read_mark(folder / "init")
        named = namespace_inode(namespace_path(self._names.instance(instance)))
        if mark is None:
            quiet = named is not None and not (folder / _NOISY).exists()
            return instance, replace(guest, running=False, intact=quiet)
        whole = namespace_inode(Path(f"/proc/{mark.pid}/ns/net")) == named
        return instance, replace(guest, running=True, intact=whole)

    def _put(self, instance: InstanceId, guest: Guest) -> None:
        folder = self._names.instance_folder(instance)
        mark = read_mark(folder / "init")
        before = self._check_owner(instance, folder)
        if mark is not None and (not guest.running or before is None or before.boot != guest.boot):
            kill_and_wait(mark)
            mark = None
        self._repair_namespace(instance, mark.pid if mark else None)
        folder.mkdir(parents=True, exist_ok=True)
        # Root's alone: rules tell what a server is afraid of.
        self._names.kept_folder(instance).mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_files(folder, guest)
        if mark is not None and before is not None:
            # Before it counts as done: whoever could not be told is told again.
            _tell(mark, folder, before, guest)
        _save(folder, instance, guest)
        if not guest.running:
            _quiet(self._names.instance(instance), folder)
        elif mark is None:
            self._spawn(instance, guest.hostname)

    def _check_owner(self, instance: InstanceId, folder: Path) -> Guest | None:
        """Return what the folder says; refuse when it is another instance's (same first 8)."""
        if not (folder / "guest.json").exists():
            return None
        owner, guest = _load(folder)
        if owner != instance:
            raise FileExistsError(f"instance {owner} has the same short name as {instance}")
        return guest

    def _repair_namespace(self, instance: InstanceId, init: int | None) -> None:
        """Make the namespace; when only its name is gone, give it back to the running guest."""
        name = self._names.instance(instance)
        if init is None:
            create_namespace(name)
            return
        source = Path(f"/proc/{init}/ns/net")
        if namespace_inode(source) != namespace_inode(namespace_path(name)):
            delete_namespace(name)
            attach_name(name, source)

    def _spawn(self, instance: InstanceId, hostname: str) -> None:
        """Start the guest's first process, detached from us in every way."""
        folder = self._names.instance_folder(instance)
        (folder / "init").unlink(missing_ok=True)
        (folder / "run").mkdir(exist_ok=True)
        (folder / _NOISY).touch()
        # Only now: a shell reads its script while it runs it.
        for script in _SCRIPTS:
            _write_script(folder, script)
        network = f"--net={namespace_path(self._names.instance(instance))}"
        kept = self._names.kept_folder(instance)
        command = (
            *("setsid", "--fork", "nsenter", network),
            *("unshare", "--pid", "--fork", "--mount", "--uts", "--ipc"),
            *("--propagation", "private"),
            *("/bin/sh", str(folder / "boot.sh"), str(folder), hostname, str(kept)),
        )
        with (folder / "console.log").open("ab") as log:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
                check=True,
            )

    def _await_boot(self, instance: InstanceId) -> None:
        path = self._names.instance_folder(instance) / "init"
        deadline = time.monotonic() + _BOOT_SECONDS
        while read_mark(path) is None:
            if time.monotonic() > deadline:
                log = (path.parent / "console.log").read_text()[-500:]
                raise TimeoutError(f"instance {instance} did not start: {log}")
            time.sleep(_POLL_SECONDS)

    def _remove(self, instance: InstanceId) -> None:
        kept, folder = self._names.kept_folder(instance), self._names.instance_folder(instance)
        # Of one that only kept something, the short name may be another's by now.
        if not (folder / "guest.json").exists() or _load(folder)[0] == instance:
            self._end(instance)
        # With it goes the last that a fresh agent knows of the instance.
        if kept.exists():
            shutil.rmtree(kept)

    def _end(self, instance: InstanceId) -> None:
        folder = self._names.instance_folder(instance)
        mark = read_mark(folder / "init")
        if mark is not None:
            kill_and_wait(mark)
        delete_namespace(self._names.instance(instance))
        # Last: while the folder is there, a fresh agent still knows that there is work left.
        shutil.rmtree(folder, ignore_errors=True)


def _quiet(namespace: str, folder: Path) -> None:
    """Take the network from a guest whose processes are gone."""
    if (folder / _NOISY).exists():
        _write_script(folder, "quiet.sh")
        run_tool("nsenter", f"--net={namespace_path(namespace)}", str(folder / "quiet.sh"))
        (folder / _NOISY).unlink()


def _write_script(folder: Path, name: str) -> None:
    source = resources.files("portlight.dataplane.instances") / "guest" / name
    (folder / name).write_text(source.read_text())
    (folder / name).chmod(0o755)


def _tell(mark: ProcessMark, folder: Path, before: Guest, guest: Guest) -> None:
    """Let a running guest know what changed."""
    enter = ("nsenter", "--target", str(mark.pid), "--mount", "--uts", "--net", "--pid")
    if before.hostname != guest.hostname:
        run_tool(*enter, "hostname", guest.hostname)
    if before.renewals != guest.renewals or _has_other_clients(before, guest):
        run_tool(*enter, "/bin/sh", "/run/guest/renew.sh")
    if before.policy_routing != guest.policy_routing:
        # A guest that was started by an earlier version may not have it.
        _write_script(folder, "policy.sh")
        run_tool(*enter, "/bin/sh", "/run/guest/policy.sh")


def _has_other_clients(before: Guest, guest: Guest) -> bool:
    """Whether an interface that was there is to ask in another way from now on."""
    known = {interface.ifname: interface.client6 for interface in before.interfaces}
    return any(
        known.get(interface.ifname, interface.client6) != interface.client6
        for interface in guest.interfaces
    )


def _write_files(folder: Path, guest: Guest) -> None:
    """Write what the guest reads; files that are mounted inside it are written in place."""
    (folder / "resolv.conf").touch()
    (folder / "hosts").write_text(f"127.0.0.1 localhost {guest.hostname}\n::1 localhost\n")
    (folder / "hostname").write_text(f"{guest.hostname}\n")
    (folder / "policy").write_text("on\n" if guest.policy_routing else "off\n")
    (folder / "portlight-guest").write_text(_GUEST_TOOL)
    (folder / "interfaces").write_text(
        "".join(f"{interface.ifname} {interface.client6}\n" for interface in guest.interfaces)
    )


def _save(folder: Path, instance: InstanceId, guest: Guest) -> None:
    """Write the guest's record in one step, so that a reader never sees half of it."""
    new = folder / "guest.new"
    new.write_text(json.dumps({"id": instance, "guest": asdict(guest)}))
    new.replace(folder / "guest.json")


def _load(folder: Path) -> tuple[InstanceId, Guest]:
    record: dict[str, Any] = json.loads((folder / "guest.json").read_text())
    fields = record["guest"]
    interfaces = tuple(GuestInterface(**interface) for interface in fields.pop("interfaces"))
    return InstanceId(record["id"]), Guest(interfaces=interfaces, **fields)
