"""Remedies as commands: which gateway stays, and what takes a change of long ago back."""

from ipaddress import ip_address, ip_interface, ip_network

import pytest

from portlight.guest.routes.changes import plan_undo
from portlight.guest.routes.remedies import Commands, kept_gateway, plan_remedies
from portlight.guest.routes.spell import route_words
from portlight.guest.routes.values import Address, Hop, Interface, Route, Snapshot

EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}


def a_default(interface: str, gateway: str, metric: int = 0) -> Route:
    via = ip_address(gateway)
    return Route(
        destination=ip_network(EVERYWHERE[via.version]),
        hops=(Hop(interface=interface, gateway=via),),
        metric=metric,
    )


def a_server(*routes: Route, **addresses: str) -> Snapshot:
    """Return a server with these routes and one address on each interface."""
    return Snapshot(
        interfaces=tuple(
            Interface(name=name, addresses=(Address(value=ip_interface(address)),))
            for name, address in addresses.items()
        ),
        routes=routes,
    )


@pytest.mark.parametrize(
    ("routes", "kept"),
    [
        ((a_default("eth0", "10.0.0.1", 200), a_default("eth1", "10.1.0.1", 100)), "eth1"),
        # A family with one gateway has nothing to choose.
        (
            (
                a_default("eth0", "10.0.0.1", 100),
                a_default("eth1", "10.1.0.1", 200),
                a_default("eth1", "fe80::1"),
            ),
            "eth0",
        ),
        # Both have a choice, and only eth1 is open to both.
        (
            (
                a_default("eth0", "10.0.0.1", 100),
                a_default("eth1", "10.1.0.1", 200),
                a_default("eth1", "fe80::1", 200),
                a_default("eth2", "fe80::2", 100),
            ),
            "eth1",
        ),
        ((), ""),
    ],
)
@pytest.mark.covers("K9")
def test_the_gateway_that_stays_is_the_kernels_first_of_those_that_serve_all_families(
    routes: tuple[Route, ...], kept: str
) -> None:
    assert kept_gateway(a_server(*routes)) == kept


def test_a_gateway_of_the_other_family_is_named_with_its_family() -> None:
    route = Route(
        destination=ip_network("10.33.0.0/16"),
        hops=(Hop(interface="eth0", gateway=ip_address("fe80::1")),),
    )

    assert route_words(route)[:5] == ("10.33.0.0/16", "via", "inet6", "fe80::1", "dev")


@pytest.mark.covers("X16")
def test_an_undo_takes_away_the_rules_of_now_not_those_of_then() -> None:
    then = a_server(eth0="10.0.0.5/24", eth1="10.1.0.5/24")
    done = plan_remedies(then, ("policy-routing",))
    now = a_server(eth0="10.0.0.5/24", eth1="10.1.0.9/24")
    others = ("sysctl", "-qw", "net/ipv4/conf/eth0/arp_ignore=0")
    recorded = Commands(apply=(*done.undo, others), undo=done.apply)

    undo = plan_undo(now, recorded, keeps_policy=False)

    assert undo.apply == (others,), "nothing of ours is there any more"
    kept = plan_undo(now, recorded, keeps_policy=True)
    assert ("from", "10.1.0.9") in [one[4:6] for one in kept.apply]
