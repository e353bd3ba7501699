"""classify() in the kernel, asked directly: the probe program and every map, in a private bpffs."""

import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.first_match import Members, Question

from portlight.dataplane.bpf.abi import encode_address
from portlight.dataplane.bpf.libbpf import Libbpf
from portlight.dataplane.bpf.programs import ensure_bpffs, remove_bpffs
from portlight.dataplane.bpf.tables import Tables
from portlight.dataplane.bpf.testrun import TC_ACT_OK, run_program
from portlight.plan.classifier import Classifier
from portlight.plan.delta import Delta

SOURCE = Path(__file__).parents[1] / "kernel" / "classify_probe.bpf.c"
_INPUT = struct.Struct("=QIBBHHHI16s16s")
_RESULT = struct.Struct("=IIQ")
_ETHERNET = bytes(14)


@dataclass(frozen=True, slots=True)
class Answer:
    """What classify() said: rule label, action, flags; None when no rule matched."""

    rule: tuple[int, int, int] | None
    nanoseconds: int


@dataclass(frozen=True, slots=True)
class Probe:
    """The loaded probe and the drivers of its maps."""

    pins: Path
    program: int
    claims: int
    tables: Tables

    def put(self, classifier: Classifier, members: Members) -> None:
        """Add these."""
        put = Delta(put={classifier.key: classifier}, remove=frozenset())
        assert not self.tables.classifiers.apply(put)
        assert not self.tables.members.apply(Delta(put=members, remove=frozenset()))

    def remove(self, classifier: Classifier, members: Members) -> None:
        """Take these away again."""
        gone = frozenset({classifier.key})
        assert not self.tables.classifiers.apply(Delta(put={}, remove=gone))
        assert not self.tables.members.apply(Delta(put={}, remove=frozenset(members)))

    def announce(self, event: bytes) -> bool:
        """Send a claim event as the programs do; return whether the buffer had room."""
        run = run_program(self.claims, _ETHERNET + event, ifindex=1)
        return run.action == TC_ACT_OK

    def ask(self, key: int, question: Question, *, repeat: int = 1) -> Answer:
        """Run classify() on a packet; `repeat` gives the time its meaning."""
        packed = _INPUT.pack(
            key,
            question.scope,
            question.family,
            question.protocol,
            question.source_port,
            question.destination_port,
            question.icmp,
            0,
            encode_address(question.local),
            encode_address(question.remote),
        )
        frame = _ETHERNET + packed + bytes(_RESULT.size)
        run = run_program(self.program, frame, ifindex=1, repeat=repeat)
        assert run.action == TC_ACT_OK
        action, flags, label = _RESULT.unpack_from(run.frame, len(_ETHERNET) + len(packed))
        return Answer((label, action, flags) if action else None, run.nanoseconds)


def compile_probe(folder: Path) -> Path:
    """Compile the probe program into `folder`."""
    target = folder / "classify_probe.o"
    multiarch = subprocess.run(
        ("gcc", "-print-multiarch"), capture_output=True, text=True, check=True
    ).stdout.strip()
    flags = ("-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror", "-Wno-pass-failed")
    subprocess.run(
        ("clang", *flags, f"-I/usr/include/{multiarch}", "-c", SOURCE, "-o", target), check=True
    )
    return target


@contextmanager
def loaded_probe() -> Iterator[Probe]:
    """Yield a probe with empty maps of its own; nothing is left behind."""
    with tempfile.TemporaryDirectory(prefix="portlight-probe-") as name:
        folder = Path(name)
        pins = folder / "bpf"
        ensure_bpffs(pins)
        try:
            target = compile_probe(folder)
            with Libbpf().loaded(target, pins) as program_fd, Tables(pins) as tables:
                yield Probe(pins, program_fd("classify_probe"), program_fd("claim_probe"), tables)
        finally:
            remove_bpffs(pins)
