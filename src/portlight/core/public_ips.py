"""Public addresses as people order them: a status, and what the address is on. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from portlight.core.drafts import UNSET, Unset
from portlight.core.floating_ip import FloatingIp
from portlight.core.router import PathStatus
from portlight.values.addresses import IpAddress
from portlight.values.ids import NetworkId, ProjectId


class PublicIpStatus(StrEnum):
    """What becomes of a public address."""

    AVAILABLE = "available"
    """Held, and leading nowhere."""
    ATTACHING = "attaching"
    """The host has not yet said that packets follow."""
    IN_USE = "in_use"


class Flows(StrEnum):
    """What becomes of established flows when the address is taken off (row K4)."""

    CUT = "cut"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicIpDraft:
    """Take a public address, or change what is written about it."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET
    network_id: NetworkId | Unset = UNSET
    """UNSET: the only external network, or the one named `public`."""
    address: IpAddress | Unset = UNSET
    """This very one."""
    label: str | Unset = UNSET
    delete_protection: bool | Unset = UNSET


def status_of(floating_ip: FloatingIp, *, has_nat_gateway: bool) -> PublicIpStatus:
    """Return the status of an address."""
    if has_nat_gateway:
        return PublicIpStatus.IN_USE
    if floating_ip.router_id is None:
        return PublicIpStatus.AVAILABLE
    if floating_ip.status is PathStatus.ACTIVE:
        return PublicIpStatus.IN_USE
    return PublicIpStatus.ATTACHING
