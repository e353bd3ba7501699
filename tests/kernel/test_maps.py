"""Raw map access against the kernel."""

import struct
from collections.abc import Iterator

import pytest

from portlight.dataplane.bpf.maps import BpfMap, MapShape
from portlight.dataplane.bpf.syscall import MapFlag, MapType, UpdateFlag, possible_cpus


@pytest.fixture
def table() -> Iterator[BpfMap]:
    shape = MapShape(
        type=MapType.HASH, key_size=4, value_size=8, max_entries=100_000, name="pltest"
    )
    with BpfMap.create(shape) as made:
        yield made


def entries(count: int) -> dict[bytes, bytes]:
    return {struct.pack("=I", i): struct.pack("=Q", i * 3) for i in range(count)}


def test_what_was_put_is_found_and_what_was_deleted_is_not(table: BpfMap) -> None:
    table.update(b"abcd", b"12345678")
    assert table.lookup(b"abcd") == b"12345678"
    assert table.delete(b"abcd")
    assert not table.delete(b"abcd")
    assert table.lookup(b"abcd") is None


def test_noexist_refuses_a_second_put(table: BpfMap) -> None:
    table.update(b"abcd", b"12345678", UpdateFlag.NOEXIST)
    with pytest.raises(FileExistsError):
        table.update(b"abcd", b"87654321", UpdateFlag.NOEXIST)


def test_many_entries_come_back_complete(table: BpfMap) -> None:
    wanted = entries(50_000)
    table.update_many(wanted)
    assert dict(table.items()) == wanted
    assert set(table.keys()) == set(wanted)


def test_an_empty_map_has_no_items(table: BpfMap) -> None:
    assert not dict(table.items())


def test_a_key_of_a_wrong_size_is_refused_before_the_kernel_reads_it(table: BpfMap) -> None:
    with pytest.raises(ValueError, match="a key has 4 bytes, not 3"):
        table.lookup(b"abc")


def test_a_per_cpu_value_holds_one_copy_per_possible_cpu() -> None:
    shape = MapShape(type=MapType.PERCPU_HASH, key_size=4, value_size=12, max_entries=4)
    with BpfMap.create(shape) as table:
        assert table.value_bytes == 16 * possible_cpus()
        table.update(b"abcd", bytes(range(16)) * possible_cpus())
        assert len(dict(table.items())[b"abcd"]) == table.value_bytes


def test_an_lpm_trie_is_walked_without_batches() -> None:
    shape = MapShape(
        type=MapType.LPM_TRIE,
        key_size=8,
        value_size=4,
        max_entries=16,
        flags=MapFlag.NO_PREALLOC,
    )
    with BpfMap.create(shape) as table:
        table.update_many({struct.pack("=I", 8 * n) + b"\x0a\x01\x02\x03": b"full" for n in (1, 4)})
        assert len(list(table.items())) == 2
        assert table.lookup(struct.pack("=I", 32) + b"\x0a\x09\x09\x09") == b"full"


def test_an_mmapped_array_is_written_without_system_calls() -> None:
    shape = MapShape(
        type=MapType.ARRAY, key_size=4, value_size=64, max_entries=100, flags=MapFlag.MMAPABLE
    )
    with BpfMap.create(shape) as table:
        with table.mmap(writable=True) as memory:
            memory[64:128] = b"x" * 64
        assert table.lookup(struct.pack("=I", 1)) == b"x" * 64
