"""The body of an agent's report. Pure."""

from typing import Annotated

import msgspec

from portlight.api.errors import BadRequestError
from portlight.api.struct_schema import struct_schema
from portlight.api.wire import address, mac
from portlight.core.codec import decode_entity
from portlight.core.observation import ErrorReport
from portlight.core.virtual_ip import AnnouncementKind
from portlight.service.report import (
    AgentReport,
    ClaimReport,
    CounterReport,
    InstanceReport,
    MirrorReport,
    PortReport,
    WayReport,
)
from portlight.values.addresses import parse_ip, parse_mac
from portlight.values.ids import HostName

_Address = Annotated[str, msgspec.Meta(extra_json_schema=dict(address.schema))]
_Mac = Annotated[str, msgspec.Meta(extra_json_schema=dict(mac.schema))]


class _Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A claim with its addresses as text."""

    network: int
    address: _Address
    port: int
    mac: _Mac
    kind: AnnouncementKind
    accepted: bool
    at: float
    priority: int | None = None


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report as it comes; every list may be missing."""

    host: HostName
    applied_sequence: int = 0
    ports: tuple[PortReport, ...] = ()
    instances: tuple[InstanceReport, ...] = ()
    routers: tuple[WayReport, ...] = ()
    floating_ips: tuple[WayReport, ...] = ()
    claims: tuple[_Claim, ...] = ()
    counters: tuple[CounterReport, ...] = ()
    mirrors: tuple[MirrorReport, ...] = ()
    errors: tuple[ErrorReport, ...] = ()


REPORT_SCHEMA = struct_schema(_Report)


def parse_report(body: bytes) -> AgentReport:
    """Read a report; raise BadRequestError when it is none."""
    try:
        raw = decode_entity(_Report, body)
        claims = tuple(_parse_claim(claim) for claim in raw.claims)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadRequestError(f"The report cannot be read: {error}.") from error
    return AgentReport(
        host=raw.host,
        applied_sequence=raw.applied_sequence,
        ports=raw.ports,
        instances=raw.instances,
        routers=raw.routers,
        floating_ips=raw.floating_ips,
        claims=claims,
        counters=raw.counters,
        mirrors=raw.mirrors,
        errors=raw.errors,
    )


def _parse_claim(claim: _Claim) -> ClaimReport:
    return ClaimReport(
        network=claim.network,
        address=parse_ip(claim.address),
        port=claim.port,
        mac=parse_mac(claim.mac),
        kind=claim.kind,
        accepted=claim.accepted,
        at=claim.at,
        priority=claim.priority,
    )
