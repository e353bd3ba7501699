"""What a valid port is, and how drafts make and change one. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from portlight.core.changes import Birth, first_meta, given, next_meta
from portlight.core.dns import check_name
from portlight.core.drafts import DroppedDhcpOption, PortDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_port import (
    AddressPairAndPortSecurityRequiredError,
    DuplicateAddressPairError,
    PortHasSecurityGroupsError,
    PortSecurityRequiredForGroupsError,
    VirtualIpHasNoGroupsError,
)
from portlight.core.network import Network
from portlight.core.networks import owner_for_others
from portlight.core.port import (
    OWNER_INSTANCE,
    OWNER_VIRTUAL_IP,
    ExtraDhcpOption,
    FixedIp,
    Port,
    PortStatus,
    RetiredIp,
)
from portlight.core.port_security import opening_of
from portlight.values.addresses import MacAddress
from portlight.values.ids import HostName, PortId, SecurityGroupId, SubnetId

MAX_ADDRESS_PAIRS = 256
MAX_FIXED_IPS = 64
MAX_DHCP_OPTIONS = 64
GRACE_SECONDS = 120.0
"""How long a former address goes on working after a change (row N19)."""
_DHCP_OPTION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_:,.-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortParts:
    """What the service has found for a port: free addresses, known groups, an unused MAC."""

    mac: MacAddress
    fixed_ips: tuple[FixedIp, ...]
    security_groups: tuple[SecurityGroupId, ...]


def build_port(draft: PortDraft, *, network: Network, parts: PortParts, birth: Birth) -> Port:
    """Return the new port; raise a domain error when the draft breaks a rule."""
    secured = given(draft.port_security_enabled, network.port_security_enabled)
    port = Port(
        id=PortId(birth.id),
        number=birth.number,
        network_id=network.id,
        meta=first_meta(draft, birth),
        network_owner=owner_for_others(network, birth),
        mac=parts.mac,
        fixed_ips=parts.fixed_ips,
        allowed_address_pairs=given(draft.allowed_address_pairs, ()),
        security_groups=_sorted_groups(parts.security_groups),
        port_security_enabled=secured,
        source_destination_check=given(draft.source_destination_check, default=True),
        opening=opening_of(None, draft, enabled=secured, now=birth.now),
        admin_state_up=given(draft.admin_state_up, default=True),
        device_id=given(draft.device_id, ""),
        device_owner=given(draft.device_owner, ""),
        delete_on_termination=given(draft.delete_on_termination, default=False),
        extra_dhcp_options=_merged_options((), given(draft.extra_dhcp_options, ())),
        propagate_uplink_status=given(draft.propagate_uplink_status, default=True),
        binding_profile=given(draft.binding_profile, "{}"),
        dns_name=given(draft.dns_name, ""),
        dns_domain=network.dns_domain,
        host=_host(given(draft.host, "")),
    )
    if port.security_groups and not port.port_security_enabled:
        raise PortSecurityRequiredForGroupsError(port.id)
    check_port(port)
    return port


def change_port(port: Port, draft: PortDraft, *, parts: PortParts, now: float) -> Port:
    """Return the port after the change; `parts` are its addresses, groups and MAC from now on."""
    secured = given(draft.port_security_enabled, port.port_security_enabled)
    changed = replace(
        port,
        meta=next_meta(port.meta, draft, now),
        mac=parts.mac,
        fixed_ips=parts.fixed_ips,
        retired_ips=_retired(port, parts.fixed_ips, now),
        allowed_address_pairs=given(draft.allowed_address_pairs, port.allowed_address_pairs),
        security_groups=_sorted_groups(parts.security_groups),
        port_security_enabled=secured,
        source_destination_check=given(
            draft.source_destination_check, port.source_destination_check
        ),
        opening=opening_of(port, draft, enabled=secured, now=now),
        admin_state_up=given(draft.admin_state_up, port.admin_state_up),
        device_id=given(draft.device_id, port.device_id),
        device_owner=given(draft.device_owner, port.device_owner),
        delete_on_termination=given(draft.delete_on_termination, port.delete_on_termination),
        extra_dhcp_options=_merged_options(
            port.extra_dhcp_options, given(draft.extra_dhcp_options, ())
        ),
        propagate_uplink_status=given(draft.propagate_uplink_status, port.propagate_uplink_status),
        binding_profile=given(draft.binding_profile, port.binding_profile),
        dns_name=given(draft.dns_name, port.dns_name),
        host=_host(given(draft.host, port.host or "")),
    )
    if changed.security_groups and not changed.port_security_enabled:
        if port.port_security_enabled and changed.security_groups == port.security_groups:
            raise PortHasSecurityGroupsError(port.id, changed.security_groups)
        raise PortSecurityRequiredForGroupsError(port.id)
    check_port(changed)
    return changed


def attach(port: Port, *, device_id: str, index: int, host: HostName, now: float) -> Port:
    """Return the port as interface number `index` of an instance."""
    return replace(
        port,
        meta=next_meta(port.meta, None, now),
        device_id=device_id,
        device_owner=OWNER_INSTANCE,
        device_index=index,
        host=host,
        status=PortStatus.BUILD,
    )


def detach(port: Port, *, now: float) -> Port:
    """Return the port without a guest; its former addresses end with the guest that used them."""
    return replace(
        port,
        meta=next_meta(port.meta, None, now),
        retired_ips=(),
        device_id="",
        device_owner="",
        device_index=None,
        delete_on_termination=False,
        host=None,
        status=PortStatus.DOWN,
    )


def without_expired(port: Port, now: float) -> Port:
    """Return the port without the former addresses whose grace window has ended."""
    kept = tuple(retired for retired in port.retired_ips if retired.until > now)
    if kept == port.retired_ips:
        return port
    return replace(port, meta=next_meta(port.meta, None, now), retired_ips=kept)


def without_subnet(port: Port, subnet_id: SubnetId, *, now: float) -> Port:
    """Return the port without its addresses in a subnet that goes, the former ones included."""
    fixed_ips = tuple(ip for ip in port.fixed_ips if ip.subnet_id != subnet_id)
    retired_ips = tuple(ip for ip in port.retired_ips if ip.fixed_ip.subnet_id != subnet_id)
    if (fixed_ips, retired_ips) == (port.fixed_ips, port.retired_ips):
        return port
    meta = next_meta(port.meta, None, now)
    return replace(port, meta=meta, fixed_ips=fixed_ips, retired_ips=retired_ips)


def held_ips(port: Port) -> frozenset[FixedIp]:
    """Return the addresses that no other port can get: the fixed and the retired ones."""
    return frozenset(port.fixed_ips) | {retired.fixed_ip for retired in port.retired_ips}


def is_bound_to_instance(port: Port) -> bool:
    """Whether a guest of ours uses the port."""
    return port.device_owner == OWNER_INSTANCE and bool(port.device_id)


def check_port(port: Port) -> None:
    """Raise a domain error when the port contradicts itself."""
    check_mac("mac_address", port.mac)
    _check_limits(port)
    check_name(port.dns_name, port.dns_domain)
    if port.device_owner == OWNER_VIRTUAL_IP and port.security_groups:
        raise VirtualIpHasNoGroupsError(port.id)
    if len(set(port.fixed_ips)) != len(port.fixed_ips):
        raise InvalidRequestError("fixed_ips", "one address is given twice")
    if port.allowed_address_pairs and not port.port_security_enabled:
        raise AddressPairAndPortSecurityRequiredError(port.id)
    _check_pairs(port)
    for option in port.extra_dhcp_options:
        _check_dhcp_option(option.name, option.value)


def check_mac(field: str, mac: MacAddress) -> None:
    """Raise InvalidRequestError for a MAC address that can be no sender."""
    if mac.is_multicast or mac.value == 0:
        raise InvalidRequestError(field, f"{mac} is no address that an interface can have")


def _retired(port: Port, fixed_ips: tuple[FixedIp, ...], now: float) -> tuple[RetiredIp, ...]:
    if not is_bound_to_instance(port):
        return ()
    kept = [old for old in port.retired_ips if old.fixed_ip not in fixed_ips and old.until > now]
    gone = [
        RetiredIp(fixed_ip=fixed_ip, until=now + GRACE_SECONDS)
        for fixed_ip in port.fixed_ips
        if fixed_ip not in fixed_ips
    ]
    return (*kept, *gone)


def _sorted_groups(groups: Sequence[SecurityGroupId]) -> tuple[SecurityGroupId, ...]:
    return tuple(sorted(set(groups)))


def _merged_options(
    present: Sequence[ExtraDhcpOption], changes: Sequence[ExtraDhcpOption | DroppedDhcpOption]
) -> tuple[ExtraDhcpOption, ...]:
    options = {(option.name, option.ip_version): option for option in present}
    for change in changes:
        key = change.name, change.ip_version
        if isinstance(change, ExtraDhcpOption):
            options[key] = change
        else:
            options.pop(key, None)
    return tuple(options.values())


def _host(name: str) -> HostName | None:
    return HostName(name) if name else None


def _check_limits(port: Port) -> None:
    limits = (
        ("allowed_address_pairs", len(port.allowed_address_pairs), MAX_ADDRESS_PAIRS),
        ("fixed_ips", len(port.fixed_ips), MAX_FIXED_IPS),
        ("extra_dhcp_opts", len(port.extra_dhcp_options), MAX_DHCP_OPTIONS),
        ("device_id", len(port.device_id), 255),
        ("device_owner", len(port.device_owner), 255),
    )
    for field, length, limit in limits:
        if length > limit:
            raise InvalidRequestError(field, f"{length} is more than the limit of {limit}")


def _check_pairs(port: Port) -> None:
    seen = set()
    for pair in port.allowed_address_pairs:
        mac = pair.mac or port.mac
        check_mac("allowed_address_pairs", mac)
        if pair.prefix.network_address.is_multicast:
            raise InvalidRequestError("allowed_address_pairs", f"{pair.prefix} is multicast")
        if (pair.prefix, mac) in seen:
            raise DuplicateAddressPairError(pair.prefix, mac)
        seen.add((pair.prefix, mac))


def _check_dhcp_option(name: str, value: str) -> None:
    # The value ends in the DHCP server's file, one option a line: a line break would be a second.
    if not _DHCP_OPTION_NAME.fullmatch(name):
        raise InvalidRequestError("extra_dhcp_opts", f"{name!r} is no DHCP option name")
    if len(value) > 255 or not value.isprintable():  # noqa: PLR2004 -- RFC 2132: one length byte
        raise InvalidRequestError(
            "extra_dhcp_opts", f"the value of {name} is longer than 255 or not printable"
        )
