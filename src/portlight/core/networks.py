"""What a valid network is, and how drafts make and change one. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from portlight.core.changes import Birth, first_meta, given, next_meta
from portlight.core.dns import parse_domain
from portlight.core.drafts import NetworkDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_network import AvailabilityZoneNotFoundError
from portlight.core.network import Network, Subnet
from portlight.values.ids import NetworkId, ProjectId

MIN_MTU = 68
"""RFC 791."""
MAX_MTU = 9216
MIN_IPV6_MTU = 1280
"""RFC 8200, section 5."""
ZONES = ("nova",)
"""The availability zones that hosts are in; Neutron's name for the only one."""
_IPV6 = 6


def build_network(draft: NetworkDraft, birth: Birth) -> Network:
    """Return the new network; raise InvalidRequestError when the draft breaks a rule."""
    network = Network(
        id=NetworkId(birth.id),
        number=birth.number,
        meta=first_meta(draft, birth),
        admin_state_up=given(draft.admin_state_up, default=True),
        mtu=given(draft.mtu, 1500) or 1500,
        port_security_enabled=given(draft.port_security_enabled, default=True),
        dns_domain=parse_domain(given(draft.dns_domain, "")),
        availability_zone_hints=zone_hints(given(draft.availability_zone_hints, ())),
    )
    check_mtu(network.mtu, ())
    return network


def change_network(
    network: Network, draft: NetworkDraft, *, subnets: Sequence[Subnet], now: float
) -> Network:
    """Return the network after the change; `subnets` are all of its subnets."""
    changed = replace(
        network,
        meta=next_meta(network.meta, draft, now),
        admin_state_up=given(draft.admin_state_up, network.admin_state_up),
        mtu=given(draft.mtu, network.mtu) or 1500,
        port_security_enabled=given(draft.port_security_enabled, network.port_security_enabled),
        dns_domain=parse_domain(given(draft.dns_domain, network.dns_domain)),
    )
    check_mtu(changed.mtu, subnets)
    return changed


def owner_for_others(network: Network, birth: Birth) -> ProjectId | None:
    """Return the project of the network for what another project has on it; None for its own."""
    owner = network.meta.project_id
    return None if owner == birth.project_id else owner


def check_mtu(mtu: int, subnets: Sequence[Subnet]) -> None:
    """Raise InvalidRequestError when the MTU does not fit the protocol or the subnets."""
    if not MIN_MTU <= mtu <= MAX_MTU:
        raise InvalidRequestError("mtu", f"{mtu} is not in {MIN_MTU}..{MAX_MTU}")
    if mtu < MIN_IPV6_MTU and any(subnet.cidr.version == _IPV6 for subnet in subnets):
        raise InvalidRequestError("mtu", f"{mtu} is less than {MIN_IPV6_MTU}, which IPv6 needs")


def zone_hints(hints: Sequence[str]) -> tuple[str, ...]:
    """Return the hints; raise AvailabilityZoneNotFoundError when no host is in one of them."""
    if len(set(hints)) != len(hints):
        raise InvalidRequestError("availability_zone_hints", "one of them is given twice")
    for hint in hints:
        if hint not in ZONES:
            raise AvailabilityZoneNotFoundError(hint)
    return tuple(hints)
