"""What valid address groups are, and how drafts make and change them. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from portlight.core.address_group import AddressGroup
from portlight.core.changes import Birth, first_meta, next_meta
from portlight.core.drafts_groups import AddressGroupDraft
from portlight.core.errors import NotFoundError
from portlight.core.errors_address_group import AddressesAlreadyExistError, TooManyAddressesError
from portlight.core.group_room import PORT_ROOM
from portlight.values.addresses import IpPrefix
from portlight.values.ids import AddressGroupId

MAX_ADDRESSES = PORT_ROOM // 2
"""Of one group: a port can hold as many, and its rules beside them."""


def build_address_group(draft: AddressGroupDraft, birth: Birth) -> AddressGroup:
    """Return the new group."""
    return _checked(
        AddressGroup(
            id=AddressGroupId(birth.id),
            meta=first_meta(draft, birth),
            addresses=tuple(dict.fromkeys(draft.addresses)),
        )
    )


def change_address_group(
    group: AddressGroup, draft: AddressGroupDraft, *, now: float
) -> AddressGroup:
    """Return the group after the change."""
    return replace(group, meta=next_meta(group.meta, draft, now))


def add_addresses(
    group: AddressGroup, addresses: Sequence[IpPrefix], *, now: float
) -> AddressGroup:
    """Return the group with more addresses; raise AddressesAlreadyExistError for known ones."""
    present = set(group.addresses)
    known = [str(address) for address in addresses if address in present]
    if known:
        raise AddressesAlreadyExistError(group.id, known)
    return _with(group, (*group.addresses, *dict.fromkeys(addresses)), now)


def remove_addresses(
    group: AddressGroup, addresses: Sequence[IpPrefix], *, now: float
) -> AddressGroup:
    """Return the group without these addresses; raise NotFoundError for one that it has not."""
    gone, present = set(addresses), set(group.addresses)
    unknown = [str(address) for address in addresses if address not in present]
    if unknown:
        raise NotFoundError("addresses", f"{', '.join(unknown)} in the address group {group.id}")
    return _with(group, [address for address in group.addresses if address not in gone], now)


def _with(group: AddressGroup, addresses: Iterable[IpPrefix], now: float) -> AddressGroup:
    meta = next_meta(group.meta, None, now)
    return _checked(replace(group, meta=meta, addresses=tuple(addresses)))


def _checked(group: AddressGroup) -> AddressGroup:
    if len(group.addresses) > MAX_ADDRESSES:
        raise TooManyAddressesError(group.id, len(group.addresses), MAX_ADDRESSES)
    return group
