"""Loading and pinning: again and again, over a restart, and when something is refused."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.programs import build_programs

from portlight.dataplane.bpf.libbpf import ObjectLoadError
from portlight.dataplane.bpf.maps import BpfMap, MapShape
from portlight.dataplane.bpf.programs import (
    PROGRAMS,
    ensure_bpffs,
    load_programs,
    read_program,
    remove_bpffs,
)
from portlight.dataplane.bpf.syscall import MapType
from portlight.dataplane.bpf.tables import Tables

ANOTHER = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("tc") int from_port(struct __sk_buff *skb) { return 2; }
char _license[] SEC("license") = "GPL";
"""
REFUSED = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("tc") int from_port(struct __sk_buff *skb) { return *(int *)0; }
char _license[] SEC("license") = "GPL";
"""


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_programs(tmp_path_factory.mktemp("objects"))


@pytest.fixture
def pins(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "pins"
    ensure_bpffs(folder)
    yield folder
    remove_bpffs(folder)


def compiled(folder: Path, objects: Path, text: str) -> Path:
    """The objects with another from_port."""
    folder.mkdir()
    source = folder / "from_port.c"
    source.write_text(text)
    machine = subprocess.run(
        ["gcc", "-print-multiarch"], capture_output=True, text=True, check=True
    )
    include = f"-I/usr/include/{machine.stdout.strip()}"
    target = str(folder / "from_port.o")
    subprocess.run(
        ["clang", "-O2", "-g", "-target", "bpf", include, "-w", "-c", str(source), "-o", target],
        check=True,
        timeout=60,
    )
    for name in PROGRAMS:
        if name != "from_port":
            shutil.copy(objects / f"{name}.o", folder)
    return folder


@pytest.mark.covers("X14")
def test_loading_again_changes_nothing(objects: Path, pins: Path) -> None:
    first = load_programs(objects, pins)
    with Tables(pins) as tables:
        epoch = tables.bump_epoch()
    assert load_programs(objects, pins) == first
    with Tables(pins) as tables:
        assert tables.epoch == epoch
    assert set(first) == set(PROGRAMS)


def test_new_code_replaces_a_program_under_its_name(
    objects: Path, pins: Path, tmp_path: Path
) -> None:
    before = load_programs(objects, pins)
    after = load_programs(compiled(tmp_path / "new", objects, ANOTHER), pins)
    assert after["from_port"].id != before["from_port"].id
    assert after["to_port"] == before["to_port"]
    assert read_program(pins / "from_port") == after["from_port"]
    assert not (pins / "from_port_new").exists()


def test_what_the_verifier_refuses_leaves_the_old_program(
    objects: Path, pins: Path, tmp_path: Path
) -> None:
    before = load_programs(objects, pins)
    with pytest.raises(ObjectLoadError, match="BPF program load failed"):
        load_programs(compiled(tmp_path / "bad", objects, REFUSED), pins)
    assert read_program(pins / "from_port") == before["from_port"]


def test_a_missing_object_is_named(pins: Path, tmp_path: Path) -> None:
    with pytest.raises(ObjectLoadError, match=r"from_port\.o: No such file"):
        load_programs(tmp_path, pins)


def test_the_size_of_a_map_is_set_when_it_is_made(objects: Path, pins: Path) -> None:
    load_programs(objects, pins, {"flows": 1000})
    with BpfMap.open_pinned(pins / "flows") as flows:
        assert flows.shape.max_entries == 1000


def test_a_map_that_is_there_keeps_its_size(objects: Path, pins: Path) -> None:
    load_programs(objects, pins, {"flows": 1000})
    load_programs(objects, pins, {"flows": 2000})
    with BpfMap.open_pinned(pins / "flows") as flows:
        assert flows.shape.max_entries == 1000


def test_a_map_of_another_shape_is_refused_and_kept(objects: Path, pins: Path) -> None:
    shape = MapShape(type=MapType.HASH, key_size=4, value_size=8, max_entries=16)
    with BpfMap.create(shape) as strange:
        strange.pin(pins / "links")
    with pytest.raises(ObjectLoadError, match="links"):
        load_programs(objects, pins)
    with BpfMap.open_pinned(pins / "links") as kept:
        assert kept.shape == shape


@pytest.mark.covers("X14")
def test_a_program_lives_on_through_its_pin(objects: Path, pins: Path) -> None:
    load_programs(objects, pins)
    program = read_program(pins / "to_port")
    assert program is not None
    os.close(program.open())
    assert read_program(pins / "nothing") is None


def test_our_file_system_is_mounted_once_and_unmounted_wholly(tmp_path: Path) -> None:
    folder = tmp_path / "twice"
    ensure_bpffs(folder)
    device = folder.stat().st_dev
    ensure_bpffs(folder)
    assert folder.stat().st_dev == device
    remove_bpffs(folder)
    remove_bpffs(folder)
    assert folder.stat().st_dev == tmp_path.stat().st_dev
