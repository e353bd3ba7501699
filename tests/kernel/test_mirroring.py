"""Copies on real links: what reached the target, against what the source sent and received."""

import re
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.support.builders import (
    a_mirror_filter,
    a_mirror_rule,
    a_mirror_session,
    a_port,
    a_rule,
    net,
    ports,
)
from tests.support.captures import captured, checksum, decoded, inner, number_at, segments
from tests.support.mirror_scene import (
    EVERYTHING,
    MTU,
    OTHER,
    PEER,
    SOURCE,
    TARGET,
    a_cloud,
    addresses,
    mirror_host,
    mirrors,
    outcomes,
    running,
    send,
    transfer,
)
from tests.support.plan_host import PlanHost, run

from portlight.core.mirror import MirrorAction
from portlight.core.security_group import EtherType
from portlight.core.topology import Entity
from portlight.dataplane.bpf.abi import MirrorOutcome
from portlight.values.verdict import DropReason

UDP_SEGMENT = 103
"""The socket option by which the kernel makes datagrams of one send."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlanHost]:
    with mirror_host(tmp_path_factory.mktemp("objects")) as made:
        yield made


@contextmanager
def watched(host: PlanHost, what: str) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Collect what the source sent and received, and the outer frames at the target."""
    with captured(host, SOURCE, what) as seen, captured(host, TARGET, "udp port 4789") as copies:
        yield seen, copies


def passed_to(host: PlanHost, number: int) -> int:
    """Return how many packets the port's own counters say its guest got."""
    return sum(
        one.packets
        for one in host.tables.counters.read()
        if (one.port, one.direction, one.reason) == (number, "ingress", None)
    )


@pytest.mark.covers("H1", "H5", "H6", "H11", "H12", "H35", "P22")
def test_requests_and_answers_are_copied_whole_with_the_session_s_vni(host: PlanHost) -> None:
    host.show(a_cloud(*mirrors(*EVERYTHING, vni=4711, packet_length=0)))

    with watched(host, "icmp or icmp6[0] == 128 or icmp6[0] == 129") as (seen, copies):
        host.inside(SOURCE, "ping", "-c3", "-i0.05", "-s300", addresses(PEER)[0])
        host.inside(SOURCE, "ping", "-c3", "-i0.05", "-s300", addresses(PEER)[1])
        host.inside(PEER, "ping", "-c2", "-i0.05", addresses(SOURCE)[0])

    echoes = [copy for copy in map(inner, copies) if is_echo(copy)]
    assert sorted(echoes) == sorted(seen)
    assert len(seen) == 16
    for copy in copies:
        assert copy[0:6] == a_port(TARGET).mac.packed
        assert copy[6:12] == a_port(SOURCE).mac.packed
        assert copy[26:34] == socket.inet_aton("10.0.0.11") + socket.inet_aton("10.0.0.13")
        assert checksum(copy[14:34]) == 0
        assert copy[36:38] == struct.pack("!H", 4789)
        assert copy[42:50] == bytes((8, 0, 0, 0)) + (4711 << 8).to_bytes(4, "big")


def is_echo(frame: bytes) -> bool:
    return frame[12:14] == b"\x08\x00" or frame[54] in (128, 129)


@pytest.mark.covers("H35", "H15")
def test_an_independent_decoder_reads_the_copies_and_rules_hold_at_their_edges(
    host: PlanHost,
) -> None:
    rule = a_mirror_rule(
        1,
        protocol=17,
        source_prefix=net("10.0.0.0/24"),
        destination_prefix=net("10.0.0.12/32"),
        destination_ports=ports(8000, 8001),
    )
    host.show(a_cloud(*mirrors(rule, vni=7, packet_length=0)))

    with captured(host, TARGET, "udp port 4789"):
        for port in (7999, 8000, 8001, 8002):
            send(host, SOURCE, addresses(PEER)[0], port)
        send(host, SOURCE, addresses(OTHER)[0], 8000)
        send(host, PEER, addresses(SOURCE)[0], 8000)

    file = host.names.folder / f"capture-{TARGET}"
    rows = decoded(file, "vxlan.vni", "ip.dst", "udp.dstport", "vxlan.flags")
    assert rows == [
        ["7", "10.0.0.13,10.0.0.12", "4789,8000", "0x0800"],
        ["7", "10.0.0.13,10.0.0.12", "4789,8001", "0x0800"],
    ]


@pytest.mark.covers("H16", "H20", "H21", "H22", "H23", "H24", "H25", "H26", "H44", "X8")
def test_the_first_match_among_sessions_decides_and_others_may_copy_regardless(
    host: PlanHost,
) -> None:
    first = (
        a_mirror_filter(1),
        a_mirror_rule(1, 1, protocol=17, destination_ports=ports(8000), action=MirrorAction.REJECT),
        a_mirror_rule(2, 1, protocol=17, destination_ports=ports(8000, 8001)),
        a_mirror_session(1, (SOURCE,), TARGET, vni=1),
    )
    filters = (a_mirror_filter(2).id,)
    second = (
        a_mirror_filter(2),
        a_mirror_rule(3, 2, protocol=17, destination_ports=ports(8000, 8002)),
        a_mirror_session(2, (SOURCE,), TARGET, vni=2, mirror_filter_ids=filters),
    )
    regardless = a_mirror_session(
        3, (SOURCE,), TARGET, vni=3, mirror_filter_ids=filters, copies_all=True
    )

    def vnis(*more: Entity) -> dict[int, list[int]]:
        host.show(a_cloud(*first, *second, *more))
        with captured(host, TARGET, "udp port 4789") as copies:
            for port in (8000, 8001, 8002, 8003):
                send(host, SOURCE, addresses(PEER)[0], port)
        found: dict[int, list[int]] = {}
        for copy in copies:
            port = number_at(inner(copy), 36)
            found.setdefault(port, []).append(int.from_bytes(copy[46:49], "big"))
        return found

    assert vnis() == {8001: [1], 8002: [2]}
    assert vnis(regardless) == {8000: [3], 8001: [1, 3], 8002: [2, 3]}


@pytest.mark.covers("H45", "X9")
def test_what_the_port_drops_is_copied_only_for_those_who_ask_and_carries_the_reason(
    host: PlanHost,
) -> None:
    drops = a_mirror_session(2, (SOURCE,), TARGET, vni=9, copies_drops=True)
    host.show(a_cloud(*mirrors(*EVERYTHING), drops))

    with captured(host, TARGET, "udp port 4789") as copies:
        host.inside(SOURCE, "ip", "address", "add", "10.0.0.99/32", "dev", "lo")
        host.inside(
            SOURCE, "ping", "-c1", "-W1", "-I", "10.0.0.99", addresses(PEER)[0], check=False
        )
        host.inside(SOURCE, "ip", "address", "del", "10.0.0.99/32", "dev", "lo")

    assert [(copy[46:49], copy[49]) for copy in copies if inner(copy)[12:14] == b"\x08\x00"] == [
        (bytes((0, 0, 9)), DropReason.SPOOFED_IPV4)
    ]


@pytest.mark.covers("H46", "H47", "H48")
def test_copies_pass_the_source_s_rules_and_meet_the_target_s(host: PlanHost) -> None:
    host.show(a_cloud(*mirrors(*EVERYTHING), target_rules=(a_rule(7, 2, protocol=6),)))
    before = outcomes(host)
    with captured(host, TARGET, "udp port 4789") as copies:
        send(host, SOURCE, addresses(PEER)[0], 8000, "x" * 500)
    after = outcomes(host)

    assert copies == []
    refused, truncated = MirrorOutcome.REFUSED, MirrorOutcome.TRUNCATED
    assert after.get(refused, 0) > before.get(refused, 0)
    assert after.get(truncated) == before.get(truncated), "what nobody got lost no bytes"

    narrow = a_rule(7, 2, protocol=17, ports=ports(4789), remote_prefix=net("10.0.0.11/32"))
    host.show(a_cloud(*mirrors(*EVERYTHING), target_rules=(narrow,)))
    with captured(host, TARGET, "udp port 4789") as copies:
        send(host, SOURCE, addresses(PEER)[0], 8000)
    assert len(copies) >= 1


@pytest.mark.covers("H1", "X6")
def test_a_jumbo_packet_is_copied_whole(host: PlanHost) -> None:
    host.show(a_cloud(*mirrors(*EVERYTHING, packet_length=0), mtu=9000))
    for number in (SOURCE, PEER, TARGET):
        host.inside(number, "ip", "link", "set", "eth0", "mtu", "9000")

    with watched(host, "icmp[0] == 8 or icmp[0] == 0") as (seen, copies):
        host.inside(SOURCE, "ping", "-c1", "-W2", "-s8900", addresses(PEER)[0])

    assert len(seen) == 2
    assert sorted(copy for copy in map(inner, copies) if len(copy) > MTU) == sorted(seen)


@pytest.mark.covers("H36", "X6")
@pytest.mark.parametrize(
    ("family", "mtu", "length"),
    [
        *((4, mtu, length) for mtu in (1500, 9000) for length in (0, 1, 40, 96, 1460)),
        *((6, 1500, length) for length in (0, 60, 96)),
    ],
)
def test_every_segment_of_a_bulk_transfer_is_in_the_copies(
    host: PlanHost, family: int, mtu: int, length: int
) -> None:
    ethertype = EtherType.IPV4 if family == 4 else EtherType.IPV6
    rule = a_mirror_rule(1, protocol=6, ethertype=ethertype)
    host.show(a_cloud(*mirrors(rule, packet_length=length), mtu=mtu))
    for number in (SOURCE, PEER):
        host.inside(number, "ip", "link", "set", "eth0", "mtu", str(mtu))
    before, passed = outcomes(host), passed_to(host, TARGET)

    source, peer = (addresses(number)[family == 6] for number in (SOURCE, PEER))
    with watched(host, f"tcp and src host {source}") as (seen, copies):
        transfer(host, peer)

    keep = min(length or mtu, mtu - 36)
    expected = sorted(cut for frame in seen for cut in segments(frame, keep, mtu))
    assert sorted(map(inner, copies)) == expected
    lost = outcomes(host)
    arrived = lost[MirrorOutcome.COPIED] - before.get(MirrorOutcome.COPIED, 0)
    neighbours = passed_to(host, TARGET) - passed - arrived
    assert 0 <= neighbours < 40, "what the target got beside copies: ARP and its like"
    assert lost.get(MirrorOutcome.FAILED) == before.get(MirrorOutcome.FAILED)


@pytest.mark.covers("H36", "X6")
@pytest.mark.parametrize("short", [0, 300])
def test_every_datagram_of_a_udp_super_packet_is_in_the_copies(host: PlanHost, short: int) -> None:
    size, number = 1000, 20
    host.show(a_cloud(*mirrors(a_mirror_rule(1, protocol=17), packet_length=96)))
    text = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        f"s.setsockopt(socket.SOL_UDP, {UDP_SEGMENT}, {size});"
        f"data = b''.join(bytes([n]) * {size} for n in range({number})) + b'x' * {short};"
        f"s.sendto(data, ({addresses(PEER)[0]!r}, 8000))"
    )

    with watched(host, "udp dst port 8000") as (seen, copies):
        host.inside(SOURCE, "python3", "-c", text)

    (frame,) = seen
    first = number_at(frame, 18)
    lengths = [size] * number + [short] * (short > 0)
    told = sorted((number_at(one, 18), number_at(one, 38), one[42:]) for one in map(inner, copies))
    fills = [*range(number), ord("x")]
    assert told == [
        (first + at, 8 + length, bytes([fills[at]]) * (96 - 42))
        for at, length in enumerate(lengths)
    ]
    assert all(checksum(one[14:34]) == 0 for one in map(inner, copies))


@pytest.mark.covers("H1", "X6")
def test_fragments_and_extension_headers_are_copied_as_they_are(host: PlanHost) -> None:
    host.show(a_cloud(*mirrors(*EVERYTHING, packet_length=0)))

    with watched(host, "ip[6:2] & 0x3fff != 0 or ip6[6] == 44 or ip6[6] == 0") as (seen, copies):
        send(host, SOURCE, addresses(PEER)[0], 8000, "x" * 4000)
        send(host, SOURCE, addresses(PEER)[1], 8000, "x" * 4000)

    keep = MTU - 36
    pieces = [frame[:keep] for frame in seen if not is_multicast_listener(frame)]
    parts = [one for one in map(inner, copies) if is_part(one)]
    assert len(pieces) == 6
    assert sorted(parts) == sorted(pieces)


def is_part(frame: bytes) -> bool:
    if frame[12:14] == b"\x08\x00":
        return number_at(frame, 20) & 0x3FFF != 0
    return frame[20] == 44


def is_multicast_listener(frame: bytes) -> bool:
    return frame[12:14] == b"\x86\xdd" and frame[20] == 0


@pytest.mark.covers("H51", "H116", "X7")
def test_a_running_flow_is_copied_from_the_next_packet_on_and_no_longer_than_enabled(
    host: PlanHost,
) -> None:
    rules = (a_mirror_rule(1, protocol=1), a_mirror_rule(2, protocol=17))
    disabled = a_cloud(*mirrors(*rules, enabled=False))
    host.show(disabled)
    with (
        captured(host, TARGET, "udp port 4789") as copies,
        running(host, SOURCE, "ping", "-i0.01", addresses(PEER)[0]) as ping,
    ):
        answers_until(ping, 20)
        host.show(a_cloud(*mirrors(*rules)))
        answers_until(ping, answers_until(ping, 1) + 20)
        host.show(disabled)
        send(host, SOURCE, addresses(PEER)[0], 8000)

    assert {inner(copy)[23] for copy in copies} == {1}
    numbers = [number_at(inner(copy), 40) for copy in copies]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert 20 < numbers[0] < numbers[-1]


def answers_until(ping: subprocess.Popen[str], last: int) -> int:
    """Read what ping prints until it has an answer of this number or a later one; return that."""
    assert ping.stdout is not None
    while True:
        found = re.search(r"icmp_seq=(\d+)", ping.stdout.readline())
        if found is not None and int(found[1]) >= last:
            return int(found[1])


@pytest.mark.covers("X14")
def test_a_helper_device_that_somebody_removed_is_made_again(host: PlanHost) -> None:
    host.show(a_cloud(*mirrors(a_mirror_rule(1, protocol=17))))
    run(
        *("nsenter", f"--net=/run/netns/{host.names.fabric}"),
        *("ip", "link", "delete", host.names.mirror_device[0]),
    )
    host.repair()

    with captured(host, TARGET, "udp port 4789") as copies:
        send(host, SOURCE, addresses(PEER)[0], 8000)

    assert len(copies) == 1
