"""Ports on the wire."""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import msgspec

from portlight.api.attributes import (
    STANDARD,
    Attribute,
    Attributes,
    at_creation,
    read_only,
    settable,
)
from portlight.api.parser import given_or_not, narrowed, refuse
from portlight.api.query import member_of
from portlight.api.resource import Resource
from portlight.api.schema import MOMENT, TEXT, WHOLE, array, one_word, or_null, shape
from portlight.api.standard import render_standard
from portlight.api.wire import (
    Json,
    address,
    boolean,
    identifier,
    integer,
    json_object,
    list_of,
    list_or_null,
    loose_prefix,
    mac,
    nullable,
    one_number,
    only,
    record,
    text,
    timestamp,
)
from portlight.core.dns import AddressName, names_of
from portlight.core.drafts import DroppedDhcpOption, FixedIpRequest, PortDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.port import (
    OWNER_FLOATING_IP,
    AddressPair,
    ExtraDhcpOption,
    FixedIp,
    Port,
    PortOpening,
    PortStatus,
)
from portlight.core.port_security import MAX_OPEN_SECONDS
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.addresses import IpAddress, IpPrefix, MacAddress
from portlight.values.ids import PortId, SubnetId


def _fixed_ip(
    subnet_id: SubnetId | None = None, ip_address: IpAddress | None = None
) -> FixedIpRequest:
    if subnet_id is None and ip_address is None:
        refuse("fixed_ips", "each entry names a subnet_id, an ip_address, or both")
    return FixedIpRequest(subnet_id=subnet_id, address=ip_address)


def _address_pair(ip_address: IpPrefix, mac_address: MacAddress | None = None) -> AddressPair:
    return AddressPair(prefix=ip_address, mac=mac_address)


def _dhcp_option(
    opt_name: str, opt_value: str | None = None, ip_version: int = 4
) -> ExtraDhcpOption | DroppedDhcpOption:
    if opt_value is None:
        return DroppedDhcpOption(name=opt_name, ip_version=ip_version)
    return ExtraDhcpOption(name=opt_name, value=opt_value, ip_version=ip_version)


FIXED_IPS = list_of(
    narrowed(record(_fixed_ip, {}, subnet_id=identifier, ip_address=address), {"minProperties": 1})
)
_PAIRS = list_or_null(
    record(_address_pair, {"ip_address": loose_prefix}, mac_address=nullable(mac))
)
_OPTIONS = list_or_null(
    record(
        _dhcp_option,
        {"opt_name": text(64)},
        opt_value=nullable(text(least=1)),
        ip_version=one_number(4, 6),
    )
)

_NO_STATUS = "N/A"
"""Neutron's word for ports that only keep an address."""
PROFILE_LENGTH = 4095
"""Characters of JSON, as in Neutron."""
_RETIRED = shape({"subnet_id": TEXT, "ip_address": TEXT, "until": MOMENT})
_NAME = shape({"ip_address": TEXT, "hostname": TEXT, "fqdn": TEXT})

_ATTRIBUTES: Attributes = {
    **STANDARD,
    "network_id": at_creation("network_id", identifier, required=True),
    "vpc_id": Attribute(parse=identifier, draft="network_id", on_update=False, is_rendered=False),
    "mac_address": settable("mac", given_or_not(mac)),
    "fixed_ips": settable("fixed_ips", FIXED_IPS),
    "allowed_address_pairs": settable("allowed_address_pairs", _PAIRS),
    "security_groups": settable("security_groups", list_or_null(identifier)),
    "port_security_enabled": settable("port_security_enabled", boolean),
    "port_security_reason": settable("port_security_reason", text()),
    "port_security_seconds": Attribute(
        parse=nullable(integer(1, MAX_OPEN_SECONDS)),
        draft="port_security_seconds",
        is_rendered=False,
    ),
    "source_destination_check": settable("source_destination_check", boolean),
    "port_security_until": read_only(or_null(MOMENT)),
    "admin_state_up": settable("admin_state_up", boolean),
    "device_id": settable("device_id", text()),
    "device_owner": settable("device_owner", text()),
    "delete_on_termination": settable("delete_on_termination", boolean),
    "extra_dhcp_opts": settable("extra_dhcp_options", _OPTIONS),
    "dns_name": settable("dns_name", text()),
    "dns_assignment": read_only(array(_NAME)),
    "binding:host_id": settable("host", text()),
    "binding:vnic_type": settable(None, only("normal", why="only 'normal' is")),
    "binding:profile": settable("binding_profile", json_object(PROFILE_LENGTH)),
    "propagate_uplink_status": settable("propagate_uplink_status", boolean),
    "ip_allocation": read_only(one_word("immediate", "none")),
    "binding:vif_type": read_only(TEXT),
    "binding:vif_details": read_only({"type": "object"}),
    "status": read_only(one_word(*PortStatus, _NO_STATUS)),
    "device_index": read_only(or_null(WHOLE)),
    "retired_ips": read_only(array(_RETIRED)),
}


def _render(_cloud: Cloud, caller: Caller, ports: Sequence[Port]) -> list[Json]:
    return [render_port(port, is_admin=caller.is_admin) for port in ports]


def render_port(port: Port, *, is_admin: bool) -> Json:
    """Render a port; the binding to a host is for administrators."""
    return {
        **render_standard(port.id, port.meta),
        "network_id": port.network_id,
        "mac_address": str(port.mac),
        "fixed_ips": [render_fixed_ip(fixed_ip) for fixed_ip in port.fixed_ips],
        "allowed_address_pairs": [
            _render_pair(pair, port.mac) for pair in port.allowed_address_pairs
        ],
        "security_groups": list(port.security_groups),
        "port_security_enabled": port.port_security_enabled,
        **_render_opening(port.opening),
        "source_destination_check": port.source_destination_check,
        "admin_state_up": port.admin_state_up,
        "status": _NO_STATUS if port.device_owner == OWNER_FLOATING_IP else port.status,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "device_index": port.device_index,
        "propagate_uplink_status": port.propagate_uplink_status,
        "ip_allocation": "immediate" if port.fixed_ips else "none",
        "delete_on_termination": port.delete_on_termination,
        "extra_dhcp_opts": [_render_option(option) for option in port.extra_dhcp_options],
        "retired_ips": [
            {**render_fixed_ip(retired.fixed_ip), "until": timestamp(retired.until)}
            for retired in port.retired_ips
        ],
        "dns_name": port.dns_name,
        "dns_assignment": [_render_name(name) for name in names_of(port)],
        "binding:vnic_type": "normal",
        **(_render_binding(port) if is_admin else {}),
    }


def _render_opening(opening: PortOpening | None) -> Json:
    until = opening.until if opening else None
    return {
        "port_security_reason": opening.reason if opening else "",
        "port_security_until": None if until is None else timestamp(until),
    }


def render_fixed_ip(fixed_ip: FixedIp) -> Json:
    """Render one address of a port."""
    return {"subnet_id": fixed_ip.subnet_id, "ip_address": str(fixed_ip.address)}


def _render_pair(pair: AddressPair, own: MacAddress) -> Json:
    # a single address is written without its length, as Neutron echoes it
    is_host = pair.prefix.prefixlen == pair.prefix.max_prefixlen
    spelling = str(pair.prefix.network_address) if is_host else str(pair.prefix)
    return {"ip_address": spelling, "mac_address": str(pair.mac or own)}


def _render_name(name: AddressName) -> Json:
    return {"ip_address": str(name.address), "hostname": name.hostname, "fqdn": name.fqdn}


def _render_option(option: ExtraDhcpOption) -> Json:
    return {"opt_name": option.name, "opt_value": option.value, "ip_version": option.ip_version}


def _render_binding(port: Port) -> Json:
    return {
        "binding:host_id": port.host or "",
        "binding:profile": msgspec.json.decode(port.binding_profile),
        "binding:vif_type": "other" if port.host else "unbound",
        "binding:vif_details": {},
    }


def _has_fixed_ip(item: Json, values: Sequence[str]) -> bool:
    """Match `fixed_ips=ip_address=…`, `ip_address_substr=…` and `subnet_id=…`: one fits all."""
    wanted = _fixed_ips_wanted(values)
    fixed_ips = cast("list[dict[str, str]]", item["fixed_ips"])
    return any(
        all(_FITS[key](one, details) for key, details in wanted.items()) for one in fixed_ips
    )


def _fixed_ips_wanted(values: Sequence[str]) -> dict[str, list[str]]:
    wanted: dict[str, list[str]] = {}
    for value in values:
        key, _, detail = value.partition("=")
        if key not in _FITS:
            raise InvalidRequestError(
                "fixed_ips", f"'{value}' is none of {', '.join(f'{one}=…' for one in _FITS)}"
            )
        wanted.setdefault(key, []).append(detail)
    return wanted


def _narrow_fixed_ips(values: Sequence[str]) -> dict[str, list[str]]:
    keys = {"ip_address": "address", "subnet_id": "subnet_id"}
    return {keys[key]: wanted for key, wanted in _fixed_ips_wanted(values).items() if key in keys}


_FITS: Mapping[str, Callable[[dict[str, str], Sequence[str]], bool]] = {
    "ip_address": lambda one, wanted: one["ip_address"] in wanted,
    "ip_address_substr": lambda one, parts: any(part in one["ip_address"] for part in parts),
    "subnet_id": lambda one, wanted: one["subnet_id"] in wanted,
}
"""How an address fits the details of a filter on `fixed_ips`."""


PORTS: Resource[Port, PortId, PortDraft, PortDraft] = Resource(
    name="port",
    plural="ports",
    attributes=_ATTRIBUTES,
    identifier=PortId,
    draft=PortDraft,
    change=PortDraft,
    use=lambda cloud: cloud.ports,
    render=_render,
    renders_alone=True,
    where={
        "network_id": "network_id",
        "vpc_id": "network_id",
        "device_id": "device_id",
        "device_owner": "device_owner",
        "security_groups": "security_group_id",
    },
    forces={"detach": Cloud.delete_port_by_force},
    filters={
        "fixed_ips": {"type": "string", "pattern": "^(ip_address|ip_address_substr|subnet_id)(=|$)"}
    },
    matchers={
        "fixed_ips": _has_fixed_ip,
        "security_groups": member_of("security_groups"),
        "vpc_id": lambda item, values: item["network_id"] in values,
        "mac_address": lambda item, values: (
            item["mac_address"] in [value.lower() for value in values]
        ),
    },
    narrow={
        "fixed_ips": _narrow_fixed_ips,
        "mac_address": lambda values: {"mac": [value.lower() for value in values]},
    },
)
