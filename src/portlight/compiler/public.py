"""The public addresses that routers answer for: docs/design/routing.md, section 4."""

from collections.abc import Mapping
from ipaddress import IPv4Address

from portlight.compiler.view import HostView
from portlight.core.floating_ip import FloatingIp, PortForwarding
from portlight.core.gateways import NatGateway
from portlight.core.port import Port
from portlight.core.router import Router
from portlight.plan.routers import (
    FloatingIpPlan,
    ForwardingPlan,
    LegPlan,
    PublicAddressKey,
    PublicAddressPlan,
    leg_ifname,
)

PublicAddresses = dict[PublicAddressKey, PublicAddressPlan]


def router_addresses(
    view: HostView,
    router: Router,
    gateway: Port,
    addresses: PublicAddresses,
    floating_ips: dict[int, FloatingIpPlan],
) -> None:
    """Add the floating IPs that a router translates by its gateway."""
    ifname = leg_ifname(gateway.number)
    for one in view.floating_ips_of(router.id).values():
        if one.floating_network_id == gateway.network_id and isinstance(one.address, IPv4Address):
            key = router.number, one.address
            forwardings = view.forwardings_of(one.id)
            addresses[key] = view.memo.recall(
                ("public", one.id), _public_address, one, ifname, forwardings
            )
            floating_ips[one.number] = FloatingIpPlan(key=key, revision=one.meta.revision_number)


def nat_gateway_address(
    gateway: NatGateway,
    one: FloatingIp,
    leg: LegPlan,
    addresses: PublicAddresses,
    floating_ips: dict[int, FloatingIpPlan],
) -> None:
    """Add the address of a NAT gateway: nothing from outside leads through it."""
    if isinstance(one.address, IPv4Address):
        key = gateway.number, one.address
        addresses[key] = PublicAddressPlan(ifname=leg.ifname, cuts=one.cuts)
        floating_ips[one.number] = FloatingIpPlan(key=key, revision=one.meta.revision_number)


def _public_address(
    one: FloatingIp, ifname: str, forwardings: Mapping[object, PortForwarding]
) -> PublicAddressPlan:
    private = one.fixed_ip_address if one.port_id is not None else None
    return PublicAddressPlan(
        ifname=ifname,
        private=private if isinstance(private, IPv4Address) else None,
        forwardings=frozenset(
            ForwardingPlan(
                protocol=each.protocol,
                external_port=each.external_ports.first + place,
                address=each.internal_address,
                port=each.internal_port(place),
            )
            for each in forwardings.values()
            if isinstance(each.internal_address, IPv4Address)
            for place in range(each.external_ports.last - each.external_ports.first + 1)
        ),
        cuts=one.cuts,
    )
