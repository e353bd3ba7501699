"""A private deployment tag per test, with a fabric of its own and programs that let all pass."""

import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from portlight.dataplane.links.fabric import Fabric
from portlight.dataplane.links.programs import Hooks, LoadedProgram, port_hooks
from portlight.dataplane.names import HostNames, base36

_SERIAL = itertools.count(os.getpid() * 7 % 1296)

_PASSING = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("tc") int from_port(struct __sk_buff *skb) { return 0; }
SEC("tc") int to_port(struct __sk_buff *skb) { return 0; }
char _license[] SEC("license") = "GPL";
"""


def run(*command: str, check: bool = True) -> str:
    """Run a tool and return its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert not check or done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


def inside(namespace: str, *command: str, check: bool = True) -> str:
    """Run a tool inside a network namespace."""
    return run("nsenter", f"--net=/run/netns/{namespace}", *command, check=check)


@contextmanager
def private_names() -> Iterator[HostNames]:
    """Yield names that nobody else uses, and remove what was made under them."""
    tag = "t" + base36(next(_SERIAL) % 46656).rjust(3, "0")
    # Not pytest's own folder: a DHCP server reads its files as a user of its own.
    root = Path(tempfile.mkdtemp(prefix="portlight-"))
    root.chmod(0o755)
    names = HostNames(tag=tag, state=root / "state", root=root)
    names.folder.mkdir()
    try:
        yield names
    finally:
        for entry in Path("/run/netns").glob(f"pl-{tag}-*"):
            with suppress(AssertionError):
                run("ip", "netns", "delete", entry.name)
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def private_fabric(names: HostNames) -> Iterator[Fabric]:
    """Yield the fabric of these names."""
    fabric = Fabric(names)
    try:
        yield fabric
    finally:
        fabric.close()


@contextmanager
def passing_programs(folder: Path) -> Iterator[Hooks]:
    """Yield two programs that let everything pass, loaded and pinned in a bpffs of their own."""
    (folder / "pass.c").write_text(_PASSING)
    (folder / "bpf").mkdir()
    include = f"-I/usr/include/{run('gcc', '-print-multiarch').strip()}"
    source, built = str(folder / "pass.c"), str(folder / "pass.o")
    run("clang", "-O2", "-g", "-target", "bpf", include, "-c", source, "-o", built)
    run("mount", "-t", "bpf", "none", str(folder / "bpf"))
    try:
        run("bpftool", "prog", "loadall", built, str(folder / "bpf" / "pass"))
        yield port_hooks(
            open_program(folder / "bpf/pass/from_port"),
            open_program(folder / "bpf/pass/to_port"),
        )
    finally:
        run("umount", str(folder / "bpf"))


def open_program(path: Path) -> LoadedProgram:
    """Open a pinned program."""
    import ctypes  # noqa: PLC0415 -- only these tests speak to libbpf directly

    libbpf = ctypes.CDLL("libbpf.so.1")
    fd = libbpf.bpf_obj_get(str(path).encode())
    assert fd >= 0
    text = Path(f"/proc/self/fdinfo/{fd}").read_text()
    number = next(line.split()[1] for line in text.splitlines() if line.startswith("prog_id"))
    return LoadedProgram(name=path.name, fd=fd, id=int(number))


def wait_until(
    condition: Callable[[], bool],
    state: Callable[[], object] = str,
    *,
    seconds: float = 8,
) -> None:
    """Wait for a condition; fail with the state when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds} s: {state()}"
        time.sleep(0.02)
