"""Giving out and taking back addresses, in the transaction of whoever asks.

The lowest free address of the pools comes first. What a failed transaction took is free again, so
failures leave no gap. Each step touches one or two rows, however large the subnet.
"""

from collections.abc import Iterable, Sequence

from portlight.core.errors_network import IpAddressInUseError, NoFreeAddressError
from portlight.core.ipam import (
    auto_address,
    free_ranges,
    is_auto_address,
    is_in_pools,
    joined,
    lowest,
    merged,
    step,
    touches_below,
    without,
)
from portlight.core.network import Subnet
from portlight.core.port import FixedIp
from portlight.store.protocol import Writing
from portlight.values.addresses import IpAddress, MacAddress
from portlight.values.ids import PortId


def open_pools(tx: Writing, subnet: Subnet) -> None:
    """Make every address of a new subnet's pools free."""
    tx.replace_free(subnet.id, (), merged(subnet.allocation_pools))


def change_pools(tx: Writing, subnet: Subnet) -> None:
    """Make the free ranges those of the subnet's present pools; held addresses stay held."""
    held = tx.holders(subnet.id)
    tx.replace_free(
        subnet.id, tx.free_ranges(subnet.id), free_ranges(subnet.allocation_pools, held)
    )


def close_pools(tx: Writing, subnet: Subnet) -> None:
    """Forget a subnet whose addresses nobody holds."""
    tx.replace_free(subnet.id, tx.free_ranges(subnet.id), ())


def take_lowest(tx: Writing, subnets: Sequence[Subnet], ports: Sequence[PortId]) -> list[FixedIp]:
    """Hold the lowest free addresses of the first subnets that have some, one for each port.

    Raise NoFreeAddressError when all are full. `subnets` is not empty.
    """
    taken: list[FixedIp] = []
    for subnet in subnets:
        while len(taken) < len(ports):
            free = tx.lowest_free(subnet.id)
            if free is None:
                break
            chosen, rest = lowest(free, len(ports) - len(taken))
            tx.hold_addresses(subnet.id, dict(zip(chosen, ports[len(taken) :], strict=False)))
            tx.replace_free(subnet.id, (free,), rest)
            taken += [FixedIp(subnet_id=subnet.id, address=address) for address in chosen]
    if len(taken) < len(ports):
        raise NoFreeAddressError(subnets[0].network_id, [subnet.id for subnet in subnets])
    return taken


def take_auto(tx: Writing, subnet: Subnet, mac: MacAddress, port_id: PortId) -> FixedIp:
    """Hold the address that the guest will make from its MAC."""
    return take_exact(tx, subnet, auto_address(subnet, mac), port_id)


def take_any(tx: Writing, subnet: Subnet, mac: MacAddress, port_id: PortId) -> FixedIp:
    """Hold an address of the subnet in the way that the subnet gives them out."""
    if is_auto_address(subnet):
        return take_auto(tx, subnet, mac, port_id)
    return take_lowest(tx, (subnet,), (port_id,))[0]


def take_exact(tx: Writing, subnet: Subnet, address: IpAddress, port_id: PortId) -> FixedIp:
    """Hold this very address; raise IpAddressInUseError when another port does.

    The port itself may hold it already (as a former address that it gets back).
    """
    held_by = tx.holder(subnet.id, address)
    if held_by is not None:
        if held_by != port_id:
            raise IpAddressInUseError(subnet.network_id, address)
        return FixedIp(subnet_id=subnet.id, address=address)
    tx.hold_addresses(subnet.id, {address: port_id})
    around = tx.free_around(subnet.id, address)
    if around is not None and address in around:
        tx.replace_free(subnet.id, (around,), without(around, address))
    return FixedIp(subnet_id=subnet.id, address=address)


def release(tx: Writing, subnet: Subnet, addresses: Iterable[IpAddress]) -> None:
    """Let go of addresses; those of the pools are free again and join their free neighbours."""
    for address in addresses:
        tx.drop_address(subnet.id, address)
        if not is_in_pools(subnet, address):
            continue
        below = tx.free_around(subnet.id, address)
        touching = below if touches_below(below, address) else None
        is_last = int(address) == int(subnet.cidr[-1])
        above = None if is_last else tx.free_from(subnet.id, step(address, 1))
        gone = [free for free in (touching, above) if free is not None]
        tx.replace_free(subnet.id, gone, (joined(touching, address, above),))
