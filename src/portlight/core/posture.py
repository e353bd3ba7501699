"""What weakens the protection of a port, and why (row N12). Pure."""

from dataclasses import dataclass
from enum import StrEnum

from portlight.core.port import OWNERS_OF_OURS, SERVICE_OWNERS, AddressPair, Port


class Exposure(StrEnum):
    """A way in which a port is less protected than by default."""

    SECURITY_OFF = "security_off"
    """Neither source binding nor groups: everything passes."""
    ANY_SOURCE = "any_source"
    """A pair of length 0: source binding holds for the MAC alone."""
    ADDRESS_PAIRS = "address_pairs"
    """It may send from further sources."""
    NO_SOURCE_DESTINATION_CHECK = "no_source_destination_check"
    """It may send and receive for addresses that are not its own, as a NAT instance does."""
    NO_GROUPS = "no_groups"
    """Secured, but in no group: nothing passes, which is rarely what somebody wants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One weakness, and what it consists of."""

    exposure: Exposure
    detail: str


def findings_of(port: Port) -> list[Finding]:
    """Return the weaknesses of a port, the gravest first."""
    if port.device_owner in OWNERS_OF_OURS:  # which are never secured
        return []
    if not port.port_security_enabled:
        reason = port.opening.reason if port.opening else ""
        return [Finding(exposure=Exposure.SECURITY_OFF, detail=reason or "no reason was given")]
    found = [_pair_finding(pair) for pair in port.allowed_address_pairs]
    found.sort(key=lambda finding: finding.exposure is not Exposure.ANY_SOURCE)
    if not port.source_destination_check:
        detail = "it sends and receives for any address"
        found.append(Finding(exposure=Exposure.NO_SOURCE_DESTINATION_CHECK, detail=detail))
    if not port.security_groups and not _needs_no_groups(port):
        found.append(Finding(exposure=Exposure.NO_GROUPS, detail="nothing is let in or out"))
    return found


def _pair_finding(pair: AddressPair) -> Finding:
    wide = pair.prefix.prefixlen == 0
    mac = f" with {pair.mac}" if pair.mac else ""
    return Finding(
        exposure=Exposure.ANY_SOURCE if wide else Exposure.ADDRESS_PAIRS,
        detail=f"{pair.prefix}{mac}",
    )


def _needs_no_groups(port: Port) -> bool:
    """Whether no guest is behind it: servers and virtual IPs are in no group."""
    return port.device_owner.startswith(SERVICE_OWNERS)
