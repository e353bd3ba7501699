"""What a valid network is, and how drafts make and change one. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from portlight.core.changes import Birth, first_meta, given, next_meta
from portlight.core.drafts import NetworkDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.network import Network, Subnet
from portlight.values.ids import NetworkId

MIN_MTU = 68
"""RFC 791."""
MAX_MTU = 9216
MIN_IPV6_MTU = 1280
"""RFC 8200, section 5."""
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
    )
    check_mtu(changed.mtu, subnets)
    return changed


def check_mtu(mtu: int, subnets: Sequence[Subnet]) -> None:
    """Raise InvalidRequestError when the MTU does not fit the protocol or the subnets."""
    if not MIN_MTU <= mtu <= MAX_MTU:
        raise InvalidRequestError("mtu", f"{mtu} is not in {MIN_MTU}..{MAX_MTU}")
    if mtu < MIN_IPV6_MTU and any(subnet.cidr.version == _IPV6 for subnet in subnets):
        raise InvalidRequestError("mtu", f"{mtu} is less than {MIN_IPV6_MTU}, which IPv6 needs")
