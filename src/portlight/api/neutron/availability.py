"""Addresses in use, hosts as agents, zones and providers on the wire."""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from portlight.api.attributes import Attributes, read_only, settable
from portlight.api.report import Report
from portlight.api.resource import Resource
from portlight.api.schema import TEXT, TRUTH, WHOLE, array, mapping, or_null, shape
from portlight.api.shell import Call
from portlight.api.wire import Json, only, spaced_time, text
from portlight.core.availability import NetworkAvailability, SubnetAvailability
from portlight.core.host import Host, HostDraft
from portlight.core.networks import ZONES
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.ids import HostId

_LARGEST: Final = (1 << 63) - 1
_AGENT_ATTRIBUTES: Attributes = {
    "id": read_only(TEXT),
    "agent_type": read_only(TEXT),
    "binary": read_only(TEXT),
    "topic": read_only(TEXT),
    "host": read_only(TEXT),
    "availability_zone": read_only(TEXT),
    "admin_state_up": settable(None, only(value=True, why="an agent cannot be disabled")),
    "alive": read_only(TRUTH),
    "created_at": read_only(TEXT),
    "started_at": read_only(TEXT),
    "heartbeat_timestamp": read_only(TEXT),
    "configurations": read_only(mapping(WHOLE)),
    "description": settable("description", text(), answer=or_null(TEXT)),
    "resource_versions": read_only(mapping(TEXT)),
    "resources_synced": read_only(or_null(TRUTH)),
}


def _render_agents(cloud: Cloud, _caller: Caller, hosts: Sequence[Host]) -> list[Json]:
    said = {state.host: state for state in cloud.hosts()}
    return [
        {
            "id": host.id,
            "agent_type": "Portlight agent",
            "binary": "portlight-agent",
            "topic": "N/A",
            "host": host.name,
            "availability_zone": ZONES[0],
            "admin_state_up": True,
            "alive": cloud.is_alive(host),
            "created_at": spaced_time(host.meta.created_at),
            "started_at": spaced_time(host.started_at),
            "heartbeat_timestamp": spaced_time(host.heard_at),
            "configurations": {
                "applied_sequence": said[host.name].applied_sequence,
                "errors": len(said[host.name].errors),
            }
            if host.name in said
            else {},
            "description": host.meta.description or None,
            "resource_versions": {},
            "resources_synced": None,
        }
        for host in hosts
    ]


AGENTS: Resource[Host, HostId, HostDraft, HostDraft] = Resource(
    name="agent",
    plural="agents",
    attributes=_AGENT_ATTRIBUTES,
    identifier=HostId,
    draft=HostDraft,
    change=HostDraft,
    use=lambda cloud: cloud.agents,
    render=_render_agents,
    where={"host": "name"},
)


def _availabilities(call: Call, wanted: Collection[str] | None) -> list[Json]:
    networks = wanted if wanted is not None else call.query.get("network_id")
    versions = call.query.get("ip_version")
    found = call.cloud.ip_availabilities(call.caller, networks)
    rendered = [_render_availability(one, versions) for one in found]
    return [one for one in rendered if versions is None or one["subnet_ip_availability"]]


def _render_availability(one: NetworkAvailability, versions: Collection[str] | None) -> Json:
    subnets = [
        subnet
        for subnet in one.subnets
        if versions is None or str(subnet.subnet.cidr.version) in versions
    ]
    return {
        "network_id": one.network.id,
        "network_name": one.network.meta.name,
        "project_id": one.network.meta.project_id,
        "tenant_id": one.network.meta.project_id,
        "total_ips": _number(sum(subnet.total for subnet in subnets)),
        "used_ips": sum(subnet.used for subnet in subnets),
        "subnet_ip_availability": [_render_subnet(subnet) for subnet in subnets],
    }


def _render_subnet(one: SubnetAvailability) -> Json:
    return {
        "subnet_id": one.subnet.id,
        "subnet_name": one.subnet.meta.name,
        "ip_version": one.subnet.cidr.version,
        "cidr": str(one.subnet.cidr),
        "total_ips": _number(one.total),
        "used_ips": one.used,
    }


def _number(value: int) -> int | msgspec.Raw:
    """Return a number for the encoder, which takes none of more than 64 bits."""
    return value if value <= _LARGEST else msgspec.Raw(str(value).encode())


_SUBNET = shape(
    {
        "subnet_id": TEXT,
        "subnet_name": TEXT,
        "ip_version": WHOLE,
        "cidr": TEXT,
        "total_ips": WHOLE,
        "used_ips": WHOLE,
    }
)
IP_AVAILABILITIES = Report(
    name="network_ip_availability",
    plural="network_ip_availabilities",
    path="network-ip-availabilities",
    attributes={
        "network_id": TEXT,
        "network_name": TEXT,
        "project_id": TEXT,
        "tenant_id": TEXT,
        "total_ips": WHOLE,
        "used_ips": WHOLE,
        "subnet_ip_availability": array(_SUBNET),
    },
    read=_availabilities,
    key="network_id",
    label="Network",
    # Told to the service: it says which subnets count.
    matchers={"ip_version": lambda _item, _versions: True},
)


def _zones(_call: Call, _wanted: Collection[str] | None) -> list[Json]:
    return [{"name": zone, "resource": "network", "state": "available"} for zone in ZONES]


ZONE_LIST = Report(
    name="availability_zone",
    plural="availability_zones",
    path="availability_zones",
    attributes={"name": TEXT, "resource": TEXT, "state": TEXT},
    read=_zones,
    sorted_by="name",
)


SERVICE_PROVIDERS = Report(
    name="service_provider",
    plural="service_providers",
    path="service-providers",
    attributes={"service_type": TEXT, "name": TEXT, "default": TRUTH},
    # Routers have no flavors, so nothing can be provided in more than one way.
    read=lambda _call, _wanted: [],
    sorted_by="name",
)
