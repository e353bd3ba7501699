"""What was declared to stay open, as flows: from every part of its network to every own address."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from portlight.guest.guard.flows import ANY_HIGH_PORT, Flow, Network, Weight, representatives
from portlight.guest.guard.ground import Ground
from portlight.guest.guard.protected import Protected
from portlight.guest.guard.sockets import Address
from portlight.guest.guard.ways import ways_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What is asked about declarations."""

    flows: tuple[Flow, ...]
    unreachable: tuple[str, ...]
    """No part of it has a way."""
    untold: tuple[Protected, ...]
    """It has more parts than can be asked about."""


def name_of(declared: Protected) -> str:
    """Return what a declaration is called in reports."""
    return f"protected: {declared}"


def declared_flows(
    declared: Sequence[Protected], ground: Ground, edges: Sequence[Network]
) -> Declared:
    """Return what must be possible, and what cannot be asked."""
    chosen = {one: representatives(one.network, edges) for one in declared}
    peers = {peer for remotes, _ in chosen.values() for peer in remotes}
    free = ways_to((peer, None) for peer in peers)
    answers = ways_to(
        (peer, address)
        for peer in peers
        for address in ground.own
        if address.version == peer.version and not address.is_loopback
    )
    ground = replace(ground, ways={**free, **answers})
    unreachable = (one for one, (remotes, _) in chosen.items() if not _has_way(ground, remotes))
    return Declared(
        flows=tuple(
            _flow(one, peer, address, ground)
            for one, (remotes, _) in chosen.items()
            for peer in remotes
            for address in _near_ends(one, peer, ground, edges)
        ),
        unreachable=tuple(map(str, unreachable)),
        untold=tuple(one for one, (_, is_complete) in chosen.items() if not is_complete),
    )


def _has_way(ground: Ground, peers: Iterable[Address]) -> bool:
    return any((peer, None) in ground.ways for peer in peers)


def _near_ends(
    one: Protected, peer: Address, ground: Ground, edges: Sequence[Network]
) -> Iterator[Address]:
    """Yield own addresses such that any is treated as one of them; without any, the empty one."""
    free = ground.ways.get((peer, None))
    usual = free.source if free else None
    if one.way == "out" and usual is not None:
        yield usual
        return
    able = [
        address
        for address in ground.own
        if address.version == peer.version
        and not address.is_loopback
        and address.is_link_local == peer.is_link_local
    ]
    able.sort(key=lambda address: (address != usual, ground.entrance(address, peer) is None))
    classes: dict[frozenset[Network], set[str | None]] = {}
    for address in able:
        alike = classes.setdefault(frozenset(edge for edge in edges if address in edge), set())
        entrance = ground.entrance(address, peer)
        if entrance not in alike and (entrance is not None or not alike):
            alike.add(entrance)
            yield address
    if not able:
        yield IPv4Address(0) if peer.version == 4 else IPv6Address(0)  # noqa: PLR2004 -- the family's name


def _flow(one: Protected, peer: Address, address: Address, ground: Ground) -> Flow:
    inbound = one.way == "in"
    return Flow(
        weight=Weight.DECLARED,
        name=name_of(one),
        protocol=one.protocol,
        way=one.way,
        local=address,
        local_port=one.port if inbound else ANY_HIGH_PORT,
        remote=peer,
        remote_port=ANY_HIGH_PORT if inbound else one.port,
        interface=ground.entrance(address, peer),
        out_interface=ground.exit(address, peer),
        is_live=False,
        neighbour=ground.neighbour(address, peer),
    )
