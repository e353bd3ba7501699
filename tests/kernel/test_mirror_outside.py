"""Copies to a collector outside the cloud: through the source's router, and never round."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.builders import (
    a_mirror_filter,
    a_mirror_rule,
    a_mirror_session,
    ip,
    net,
)
from tests.support.captures import captured, decoded, inner
from tests.support.mirror_scene import finish, outcomes, send
from tests.support.plan_host import PlanHost, plan_host
from tests.support.programs import build_programs
from tests.support.routed_lan import (
    ADDRESS,
    DATABASE,
    EXTERNAL,
    GATEWAY,
    GUEST,
    STRANGER,
    WEB,
    WORLD,
    a_lan,
    settle_guests,
    without_snat,
)
from tests.support.routing_builders import a_floating_ip, a_route

from portlight.core.mirror import MirrorAction
from portlight.core.security_group import Direction
from portlight.core.topology import Entity
from portlight.dataplane.bpf.abi import MirrorOutcome

COLLECTOR = "192.0.2.9"
"""Behind the external network, where the guest on it answers for it."""
COPIES = "udp port 4789"
PUBLIC = f"{WORLD}.30"
TO_COLLECTOR = a_route(1, 1, f"{COLLECTOR}/32", ADDRESS[STRANGER])


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlanHost]:
    with plan_host(build_programs(tmp_path_factory.mktemp("objects"))) as made:
        made.show(a_lan())
        settle_guests(made)
        made.address(STRANGER, f"{COLLECTOR}/32")
        made.inside(WEB, "ping", "-nc1", "-W2", ADDRESS[DATABASE])
        yield made


def outward(number: int, source: int, **fields: object) -> Entity:
    """Return a session of a source whose target is the collector."""
    return a_mirror_session(
        number,
        (source,),
        1,
        target_port_id=None,
        target_ip=ip(COLLECTOR),
        packet_length=0,
        **fields,
    )


UDP_SENT = (
    a_mirror_filter(),
    a_mirror_rule(1, protocol=17, destination_prefix=net("10.0.2.0/24")),
)
ALL_RECEIVED = (a_mirror_filter(2), a_mirror_rule(9, 2, direction=Direction.INGRESS))


@pytest.mark.covers("H1")
def test_a_copy_reaches_a_collector_outside_by_the_address_of_the_router(host: PlanHost) -> None:
    host.show(a_lan(TO_COLLECTOR, *UDP_SENT, outward(1, WEB, vni=7)))
    before = outcomes(host).get(MirrorOutcome.COPIED, 0)

    with captured(host, STRANGER, COPIES) as copies:
        send(host, WEB, ADDRESS[DATABASE], 8000)

    (copy,) = copies
    assert copy[0:6] == GUEST[STRANGER].mac.packed
    assert copy[26:30] == GATEWAY.fixed_ips[0].address.packed
    assert inner(copy)[6:12] == GUEST[WEB].mac.packed
    assert inner(copy).endswith(b"hello")
    rows = decoded(host.names.folder / f"capture-{STRANGER}", "vxlan.vni", "ip.dst", "udp.dstport")
    assert rows == [["7", f"{COLLECTOR},{ADDRESS[DATABASE]}", "4789,8000"]]
    assert outcomes(host)[MirrorOutcome.COPIED] == before + 1


def test_without_translation_the_collector_sees_the_source_itself(host: PlanHost) -> None:
    host.show(a_lan(TO_COLLECTOR, *UDP_SENT, outward(1, WEB), router=without_snat()))

    with captured(host, STRANGER, COPIES) as copies:
        # another flow: the router goes on translating those that it knows
        send(host, WEB, ADDRESS[DATABASE], 8001)

    assert [copy[26:30] for copy in copies] == [ip(ADDRESS[WEB]).packed]


def test_copies_that_pass_another_source_on_their_way_out_are_not_copied_again(
    host: PlanHost,
) -> None:
    """The route to the collector leads through a guest whose packets are all copied to it.

    The budget ends the storm that there would be.
    """
    by_guest = a_route(1, 1, f"{COLLECTOR}/32", ADDRESS[DATABASE])
    all_received = {"mirror_filter_ids": (a_mirror_filter(2).id,), "bytes_per_second": 100_000}
    sessions = (outward(1, WEB), outward(2, DATABASE, **all_received))
    host.show(a_lan(by_guest, *UDP_SENT, *ALL_RECEIVED, *sessions))
    before = outcomes(host)

    with captured(host, DATABASE, COPIES) as copies:
        send(host, WEB, ADDRESS[DATABASE], 8000)

    # the packet as the one guest sent it, and as the other got it
    assert len(copies) == 2
    copied = {MirrorOutcome.COPIED: before.get(MirrorOutcome.COPIED, 0) + 2}
    assert outcomes(host) == {**before, **copied}


def test_a_floating_ip_is_no_target_outside(host: PlanHost) -> None:
    public = a_floating_ip(3, COLLECTOR, EXTERNAL, GUEST[DATABASE])
    host.show(a_lan(*UDP_SENT, outward(1, WEB), public))
    before = outcomes(host).get(MirrorOutcome.NO_TARGET, 0)

    send(host, WEB, ADDRESS[DATABASE], 8000)

    assert outcomes(host)[MirrorOutcome.NO_TARGET] == before + 1


@pytest.mark.covers("H13", "H14")
def test_packets_of_a_public_address_are_judged_and_copied_with_the_port_s_own(
    host: PlanHost,
) -> None:
    """The rules that name the public address match nothing: the router has translated it."""
    received: dict[str, Any] = {
        "direction": Direction.INGRESS,
        "source_prefix": net(f"{ADDRESS[STRANGER]}/32"),
    }
    own, public = net(f"{ADDRESS[WEB]}/32"), net(f"{PUBLIC}/32")
    rules = (
        a_mirror_rule(1, destination_prefix=public, action=MirrorAction.REJECT, **received),
        a_mirror_rule(2, protocol=1, destination_prefix=own, **received),
        a_mirror_rule(3, source_prefix=public, action=MirrorAction.REJECT),
        a_mirror_rule(4, protocol=1, source_prefix=own),
    )
    session = a_mirror_session(1, (WEB,), DATABASE, packet_length=0)
    floating = a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB])
    host.show(a_lan(floating, a_mirror_filter(), *rules, session))

    with (
        captured(host, WEB, "icmp[0] == 0 or icmp[0] == 8") as seen,
        captured(host, DATABASE, COPIES) as copies,
    ):
        host.inside(STRANGER, "ping", "-nc2", "-i0.2", "-W2", PUBLIC)

    ends = [(inner(copy)[26:30], inner(copy)[30:34]) for copy in copies]
    stranger, web = ip(ADDRESS[STRANGER]).packed, ip(ADDRESS[WEB]).packed
    assert ends == [(stranger, web), (web, stranger)] * 2
    assert [inner(copy) for copy in copies] == seen


STREAM = 400_000
SERVER = """
import socket
listener = socket.create_server(("", 8003))
print("bound", flush=True)
stream, _ = listener.accept()
while stream.recv(65536):
    pass
"""
CLIENT = f"""
import socket
with socket.create_connection(({ADDRESS[DATABASE]!r}, 8003)) as stream:
    stream.sendall(bytes({STREAM}))
"""


def test_super_packets_are_routed_outside_whole(host: PlanHost) -> None:
    tcp = (a_mirror_filter(), a_mirror_rule(1, protocol=6))
    host.show(a_lan(TO_COLLECTOR, *tcp, outward(1, WEB)))
    before = outcomes(host)
    server = host.start(DATABASE, "python3", "-c", SERVER)
    assert server.stdout is not None
    server.stdout.readline()

    with captured(host, STRANGER, COPIES) as copies:
        host.inside(WEB, "python3", "-c", CLIENT)
    finish(server)

    payload = sum(len(inner(copy)) - 66 for copy in copies)
    assert payload >= STREAM
    assert outcomes(host).keys() == before.keys() | {MirrorOutcome.COPIED}
