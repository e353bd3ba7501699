"""`dataplane/bpf/abi.py` says of each record and number what the compiled programs say (BTF)."""

import json
import re
import struct
import subprocess
from dataclasses import fields
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest

from portlight.dataplane.bpf import abi, abi_routing
from portlight.dataplane.bpf.abi import Record
from portlight.plan.classifier import Action, RuleFlag
from portlight.values.addresses import parse_ip
from portlight.values.verdict import DropReason

ROOT = Path(__file__).parents[2]
RECORDS: tuple[type[Record], ...] = (
    abi.Settings,
    abi.PortEntry,
    abi.ForwardingKey,
    abi.ForwardingEntry,
    abi.BindingKey,
    abi.VirtualIpKey,
    abi.VirtualIp,
    abi.VirtualIpOwner,
    abi.VirtualIpMemberKey,
    abi.VirtualIpMember,
    abi.ClaimEvent,
    abi_routing.RouterLeg,
    abi_routing.ShortcutKey,
    abi_routing.Shortcut,
    abi_routing.Station,
    abi.CounterKey,
    abi.Counter,
    abi.MirrorWayKey,
    abi.MirrorWay,
    abi.MirrorCounterKey,
    abi.FlowKey,
    abi.Flow,
    abi.FragmentKey,
    abi.Fragment,
)
ENUMERATIONS: tuple[tuple[type[IntEnum], str, str, int], ...] = (
    (DropReason, "drop_reason", "DROP_", 1),
    (abi.Direction, "direction", "DIRECTION_", 0),
    (abi.BindingKind, "binding_kind", "BINDING_", 0),
    (abi.MirrorOutcome, "mirror_outcome", "MIRROR_", 0),
    (abi.ClaimPolicy, "claim_policy", "CLAIM_", 0),
    (abi.ClaimKind, "claim_kind", "CLAIM_BY_", 0),
    (Action, "classify_action", "ACTION_", 1),
)
"""Python, C, C's prefix, and how many names C has more (`NONE`)."""
FLAGS = (
    (abi.PortFlag, "port_flag", "PORT_"),
    (abi.ForwardingFlag, "forwarding_flag", "FORWARDING_"),
    (abi.ClaimFlag, "claim_flag", "CLAIM_"),
    (abi.FlowFlag, "flow_flag", "FLOW_"),
    (RuleFlag, "rule_flag", "RULE_"),
)


class Btf:
    """The types of one object file."""

    def __init__(self, types: list[dict[str, Any]]) -> None:
        self._by_id = {each["id"]: each for each in types}

    def struct(self, name: str) -> dict[str, Any]:
        return next(
            each
            for each in self._by_id.values()
            if each["kind"] == "STRUCT" and each["name"] == name
        )

    def numbers(self, name: str) -> dict[str, int]:
        found = next(
            each for each in self._by_id.values() if each["kind"] == "ENUM" and each["name"] == name
        )
        return {value["name"]: value["val"] for value in found["values"]}

    def size(self, type_id: int) -> int:
        found = self._by_id[type_id]
        if found["kind"] == "ARRAY":
            return int(found["nr_elems"]) * self.size(found["type_id"])
        return int(found["size"]) if "size" in found else self.size(found["type_id"])


@pytest.fixture(scope="module")
def btf(tmp_path_factory: pytest.TempPathFactory) -> Btf:
    out = tmp_path_factory.mktemp("bpf")
    subprocess.run(["make", "-s", "-C", str(ROOT / "bpf"), f"OUT={out}"], check=True, timeout=120)
    dump = subprocess.run(
        ["/usr/sbin/bpftool", "btf", "dump", "-j", "file", str(out / "from_port.o")],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return Btf(json.loads(dump.stdout)["types"])


def c_name(python_name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", python_name).lower()


def python_layout(record: type[Record]) -> list[tuple[str, int, int]]:
    """Name, offset and size of every field; padding (`x`) has no name."""
    tokens = re.findall(r"\d*[a-zA-Z]", record.FORMAT)
    layout, offset = [], 0
    names = iter(fields(record))
    for token in tokens:
        size = struct.calcsize(f"={token}")
        if not token.endswith("x"):
            count = 1 if token.endswith("s") else int(token[:-1] or 1)
            for _ in range(count):
                layout.append((next(names).name, offset, size // count))
                offset += size // count
        else:
            offset += size
    assert next(names, None) is None
    return layout


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_record_lies_in_memory_as_the_program_reads_it(btf: Btf, record: type[Record]) -> None:
    found = btf.struct(c_name(record.__name__))
    layout = [
        (member["name"], member["bits_offset"] // 8, btf.size(member["type_id"]))
        for member in found["members"]
        if member["name"] != "pad"
    ]
    assert python_layout(record) == layout
    assert struct.calcsize(record.FORMAT) == found["size"]


@pytest.mark.parametrize("pair", ENUMERATIONS, ids=lambda pair: pair[1])
def test_names_have_the_same_numbers(btf: Btf, pair: tuple[type[IntEnum], str, str, int]) -> None:
    kind, name, prefix, more = pair
    numbers = btf.numbers(name)
    assert {f"{prefix}{each.name}": each.value for each in kind}.items() <= numbers.items()
    assert len(numbers) == len(kind) + more


@pytest.mark.parametrize("pair", FLAGS, ids=lambda pair: pair[1])
def test_flags_have_the_same_bits(btf: Btf, pair: tuple[Any, str, str]) -> None:
    kind, name, prefix = pair
    assert {f"{prefix}{each.name}": each.value for each in kind} == btf.numbers(name)


@pytest.mark.parametrize("text", ["10.0.0.1", "255.255.255.255", "2001:db8::1", "::", "::1"])
def test_an_address_survives_its_encoding(text: str) -> None:
    assert str(abi.decode_address(abi.encode_address(parse_ip(text)))) == text
