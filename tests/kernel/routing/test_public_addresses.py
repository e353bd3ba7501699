"""Public addresses on real links: section 4 of docs/design/routing.md."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from tests.kernel.lab import wait_until
from tests.support.captures import captured
from tests.support.plan_host import PlanHost
from tests.support.routed_lan import (
    ADDRESS,
    DATABASE,
    EXTERNAL,
    GUEST,
    STRANGER,
    WEB,
    WORLD,
    a_lan,
    reaches,
    without_snat,
)
from tests.support.routed_views import (
    PUBLIC,
    answers_to,
    counted,
    drops,
    ping,
    the_host_reaches,
)
from tests.support.routing_builders import (
    a_floating_ip,
    a_forwarding,
    a_route,
    a_router,
)

from portlight.values.verdict import DropReason


@pytest.mark.covers("H147")
def test_a_floating_ip_leads_to_its_port_and_is_the_port_to_the_outside(host: PlanHost) -> None:
    host.show(a_lan(a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB])))

    assert the_host_reaches(PUBLIC)
    assert reaches(host, STRANGER, PUBLIC)
    with captured(host, STRANGER, "icmp") as seen:
        assert reaches(host, WEB, ADDRESS[STRANGER])
    assert IPv4Address(PUBLIC).packed in seen[0]


def test_a_public_address_is_reached_from_inside_and_even_from_itself(host: PlanHost) -> None:
    other = f"{WORLD}.51"
    host.show(
        a_lan(
            a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB]),
            a_floating_ip(4, other, EXTERNAL, GUEST[DATABASE]),
        )
    )

    assert reaches(host, DATABASE, PUBLIC)
    assert reaches(host, WEB, other)
    assert reaches(host, WEB, PUBLIC)


def test_without_a_public_address_of_its_own_a_guest_leaves_with_the_gateways(
    host: PlanHost,
) -> None:
    with captured(host, STRANGER, "icmp") as seen:
        assert reaches(host, DATABASE, ADDRESS[STRANGER])

    assert IPv4Address(f"{WORLD}.5").packed in seen[0]


def test_past_the_public_address_nobody_gets_in_while_addresses_are_translated(
    host: PlanHost,
) -> None:
    host.inside(STRANGER, "ip", "route", "replace", "10.0.0.0/8", "via", f"{WORLD}.5")

    with counted(host, 109, DropReason.NOT_TRANSLATED):
        assert not reaches(host, STRANGER, ADDRESS[WEB])
    host.show(a_lan(router=without_snat()))
    assert reaches(host, STRANGER, ADDRESS[WEB])


def test_a_forwarded_port_leads_to_another_port_of_a_guest(host: PlanHost) -> None:
    floating = a_floating_ip(3, PUBLIC, EXTERNAL, router_id=a_router(1).id)
    host.show(a_lan(floating, a_forwarding(1, 3, GUEST[WEB], range(8000, 8002), 80)))
    listener = host.start(WEB, "nc", "-lk", "81")

    try:
        wait_until(lambda: _connects(host, PUBLIC, 8001))
        assert not _connects(host, PUBLIC, 8000)
    finally:
        listener.terminate()
        listener.communicate()


def _connects(host: PlanHost, address: str, port: int) -> bool:
    command = ("nc", "-z", "-w1", address, str(port))
    return not host.inside(STRANGER, "sh", "-c", f"{' '.join(command)}; echo $?").strip("0\n")


@pytest.mark.covers("H148")
def test_a_floating_ips_own_way_out_wins_over_a_default_route_but_not_over_a_longer_one(
    host: PlanHost,
) -> None:
    floating = a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB])
    host.show(a_lan(floating, a_route(1, 1, "0.0.0.0/0")))
    before = drops(host, 101, DropReason.ROUTE_BLACKHOLE)

    with counted(host, 102, DropReason.ROUTE_BLACKHOLE):
        ping(host, DATABASE, "192.0.2.1")
    ping(host, WEB, "192.0.2.1")
    assert the_host_reaches(PUBLIC)
    assert drops(host, 101, DropReason.ROUTE_BLACKHOLE) == before
    host.show(a_lan(floating, a_route(1, 1, "192.0.2.0/24")))
    with counted(host, 101, DropReason.ROUTE_BLACKHOLE):
        ping(host, WEB, "192.0.2.1")


@pytest.mark.covers("K6")
def test_a_released_address_answers_nobody_and_its_flows_are_cut(host: PlanHost) -> None:
    host.show(a_lan(a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB])))
    asking = host.start(STRANGER, "ping", "-n", "-i0.05", "-W1", PUBLIC)
    wait_until(lambda: PUBLIC in host.in_router(1, "conntrack", "-L", check=False))

    host.show(a_lan())

    assert PUBLIC not in host.in_router(1, "conntrack", "-L", check=False)
    assert not reaches(host, STRANGER, PUBLIC)
    asking.terminate()
    asking.communicate()


@contextmanager
def _found_first(folder: Path) -> Iterator[None]:
    """Let tools of a folder be found before those of the system."""
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def _shows(host: PlanHost) -> bool:
    """Try again; what failed is left alone for a moment."""
    with suppress(RuntimeError):
        host.show(a_lan())
        return True
    return False


@pytest.mark.covers("K6")
def test_flows_that_could_not_be_cut_are_cut_with_the_next_attempt(
    host: PlanHost, tmp_path: Path
) -> None:
    host.show(a_lan(a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB])))
    assert reaches(host, STRANGER, PUBLIC)

    broken = tmp_path / "conntrack"
    broken.write_text("#!/bin/sh\necho no memory >&2; exit 1\n")
    broken.chmod(0o755)
    with _found_first(tmp_path), pytest.raises(RuntimeError, match="no memory"):
        host.show(a_lan())
    assert PUBLIC in host.in_router(1, "conntrack", "-L", check=False)
    wait_until(lambda: _shows(host))

    assert PUBLIC not in host.in_router(1, "conntrack", "-L", check=False)


def test_an_address_moves_to_another_port_in_one_step(host: PlanHost) -> None:
    first = a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB])
    host.show(a_lan(first))
    assert the_host_reaches(PUBLIC)

    host.show(a_lan(replace(a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[DATABASE]), cuts=1)))

    with captured(host, DATABASE, "icmp") as seen:
        assert the_host_reaches(PUBLIC)
    assert len(seen) == 2


def test_flows_drain_when_an_address_moves_without_a_cut(host: PlanHost) -> None:
    host.show(a_lan(a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB])))
    listener = host.start(WEB, "nc", "-lk", "81")
    wait_until(lambda: _connects(host, PUBLIC, 81))
    held = host.start(STRANGER, "nc", "-d", PUBLIC, "81")
    wait_until(lambda: "ESTAB" in host.inside(WEB, "ss", "-tn"))

    host.show(a_lan(a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[DATABASE])))

    assert f"dport=81 src={ADDRESS[WEB]}" in host.in_router(1, "conntrack", "-L", check=False)
    for process in (held, listener):
        process.terminate()
        process.communicate()


@pytest.mark.covers("K4")
def test_an_address_that_drains_serves_what_was_there_and_nothing_new(host: PlanHost) -> None:
    taken = a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB])
    host.show(a_lan(taken))
    asking = host.start(STRANGER, "ping", "-n", "-i0.05", "-W1", PUBLIC)
    wait_until(lambda: PUBLIC in host.in_router(1, "conntrack", "-L", check=False))

    off = a_floating_ip(3, PUBLIC, EXTERNAL)
    host.show(a_lan(replace(off, draining_router_id=a_router().id)))

    answered = answers_to(host, STRANGER)
    wait_until(lambda: answers_to(host, STRANGER) > answered + 4)
    assert not reaches(host, STRANGER, PUBLIC)

    host.show(a_lan(off))

    assert PUBLIC not in host.in_router(1, "conntrack", "-L", check=False)
    asking.terminate()
    asking.communicate()
