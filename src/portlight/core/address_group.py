"""Address groups: named lists of addresses that rules refer to as their remote side."""

from dataclasses import dataclass

from portlight.core.meta import Meta
from portlight.values.addresses import IpPrefix
from portlight.values.ids import AddressGroupId


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressGroup:
    """Prefixes of both families; a rule means those of its own."""

    id: AddressGroupId
    meta: Meta
    addresses: tuple[IpPrefix, ...] = ()
    """In the order in which they came; each once, but one may be within another."""
