"""The nftables table of a router, as text."""

from ipaddress import IPv4Address

from portlight.dataplane.nft.render import (
    counter_name,
    digest_of,
    parse_counter_name,
    public_address,
    render_change,
    render_frame,
)
from portlight.plan.routers import ForwardingPlan, LegPlan, PublicAddressPlan, RouterPlan
from portlight.values.addresses import MacAddress, parse_ip
from portlight.values.verdict import DropReason

PUBLIC, PRIVATE = IPv4Address("203.0.113.50"), IPv4Address("10.0.1.5")


def a_leg(number: int, address: str, *, is_outside: bool = False) -> LegPlan:
    return LegPlan(
        port_number=number,
        network=1,
        ifname=f"p{number}",
        mac=MacAddress(0x020000000000 + number),
        mtu=1500,
        addresses=((parse_ip(address), 24),),
        is_outside=is_outside,
    )


INSIDE, OUTSIDE = a_leg(1, "10.0.1.1"), a_leg(2, "203.0.113.5", is_outside=True)


def test_a_router_without_a_gateway_tracks_nothing() -> None:
    frame = render_frame(RouterPlan(legs=(INSIDE,), rules=()))

    assert "ct state" not in frame
    assert "delete chain inet portlight to_public" in frame


def test_a_frame_is_known_again_by_its_digest() -> None:
    gateway = IPv4Address("203.0.113.5")
    plain = RouterPlan(legs=(INSIDE, OUTSIDE), rules=(), public=gateway)
    translating = RouterPlan(legs=(INSIDE, OUTSIDE), rules=(), public=gateway, snat=gateway)

    assert digest_of(render_frame(plain)) == digest_of(render_frame(plain))
    assert digest_of(render_frame(plain)) != digest_of(render_frame(translating))
    assert f"digest {{ {digest_of(render_frame(plain))} }}" in render_frame(plain)


def test_an_address_moves_in_one_transaction_and_its_number_of_cuts_with_it() -> None:
    before = public_address(PUBLIC, PublicAddressPlan(ifname="p2", private=PRIVATE))
    moved = PublicAddressPlan(ifname="p2", private=IPv4Address("10.0.1.6"), cuts=1)
    after = public_address(PUBLIC, moved)

    text = render_change(before.elements - after.elements, after.elements - before.elements)

    assert text.splitlines() == [
        "delete element inet portlight floating { 203.0.113.50 : 10.0.1.5 }",
        "delete element inet portlight private { 10.0.1.5 }",
        "delete element inet portlight public { 203.0.113.50 }",
        "delete element inet portlight sources { 10.0.1.5 : 203.0.113.50 }",
        "add element inet portlight floating { 203.0.113.50 : 10.0.1.6 }",
        "add element inet portlight private { 10.0.1.6 }",
        'add element inet portlight public { 203.0.113.50 comment "1" }',
        "add element inet portlight sources { 10.0.1.6 : 203.0.113.50 }",
    ]


def test_a_forwarding_stands_for_one_port_of_the_address() -> None:
    forwarding = ForwardingPlan(protocol=17, external_port=53, address=PRIVATE, port=5353)

    found = public_address(
        PUBLIC, PublicAddressPlan(ifname="p2", forwardings=frozenset({forwarding}))
    )

    assert ("forwardings", "203.0.113.50 . udp . 53 : 10.0.1.5 . 5353") in found.elements


def test_a_counters_name_is_read_back() -> None:
    name = counter_name(DropReason.NO_ROUTE, "p17")

    assert parse_counter_name(name) == (DropReason.NO_ROUTE, "p17")
    assert parse_counter_name("somebody's") is None
