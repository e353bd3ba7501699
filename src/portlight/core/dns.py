"""Names of networks and ports in the domain name system: what is one, and who is called what. Pure.

A port without a name of its own is called by its address, as in Neutron: `host-10-0-0-5`.
"""

import re
from dataclasses import dataclass

from portlight.core.errors import InvalidRequestError
from portlight.core.errors_network import DnsDomainError
from portlight.core.port import Port
from portlight.values.addresses import IpAddress

MAX_NAME = 253
"""Characters of a whole name without its final dot (RFC 1035)."""
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressName:
    """How one address of a port is called."""

    address: IpAddress
    hostname: str
    """As it was given: within the domain of the network, unless it ends with a dot."""
    fqdn: str
    """The whole name; with a final dot where there is a domain."""


def parse_domain(domain: str) -> str:
    """Return the domain of a network in small letters; raise DnsDomainError when it is none."""
    if not domain:
        return ""
    if not domain.endswith("."):
        raise DnsDomainError(domain, "it does not end with a dot")
    fault = _fault_of(domain.removesuffix("."))
    if fault:
        raise DnsDomainError(domain, fault)
    return domain.lower()


def check_name(name: str, domain: str) -> None:
    """Raise InvalidRequestError when a port in this domain cannot be called so."""
    if not name:
        return
    if name.endswith(".") and not (domain and name.lower().endswith(f".{domain}")):
        raise InvalidRequestError("dns_name", f"'{name}' is not below the network's '{domain}'")
    whole = name if name.endswith(".") or not domain else f"{name}.{domain}"
    fault = _fault_of(whole.removesuffix("."))
    if fault:
        raise InvalidRequestError("dns_name", f"'{name}' is not a valid PQDN or FQDN: {fault}")


def names_of(port: Port) -> tuple[AddressName, ...]:
    """Return how the addresses of a port are called, in their order."""
    return tuple(_name_of(port, fixed_ip.address) for fixed_ip in port.fixed_ips)


def _name_of(port: Port, address: IpAddress) -> AddressName:
    hostname = port.dns_name or _name_by_address(address)
    is_whole = hostname.endswith(".") or not port.dns_domain
    fqdn = hostname if is_whole else f"{hostname}.{port.dns_domain}"
    return AddressName(address=address, hostname=hostname, fqdn=fqdn)


def _name_by_address(address: IpAddress) -> str:
    name = "host-" + str(address).replace(".", "-").replace(":", "-")
    # `fd00::` would end in a hyphen, which no host name may.
    return name + "0" if name.endswith("-") else name


def _fault_of(name: str) -> str:
    """Return why a text is no name (RFC 1123, section 2.1); nothing when it is one."""
    if len(name) > MAX_NAME:
        return f"it is longer than {MAX_NAME} characters"
    labels = name.split(".")
    for label in labels:
        if not _LABEL.fullmatch(label):
            return f"the label '{label}' is not 1 to 63 letters, digits and inner hyphens"
    if len(labels) > 1 and labels[-1].isdecimal():
        return "its last label is a number"
    return ""
