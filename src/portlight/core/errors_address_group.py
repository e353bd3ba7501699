"""Refusals about address groups. The words follow Neutron's."""

from collections.abc import Sequence

from portlight.core.errors import Blocker, ConflictError, InUseError, InvalidRequestError, named
from portlight.values.ids import AddressGroupId


class AddressGroupInUseError(InUseError):
    """Rules, or default rules, refer to the group."""

    def __init__(self, group_id: AddressGroupId, blockers: Sequence[Blocker]) -> None:
        super().__init__(
            f"Address group {group_id} is in use on one or more security group rules: "
            f"{named(blockers)}.",
            blockers,
        )
        self.group_id = group_id


class AddressesAlreadyExistError(InvalidRequestError):
    """Addresses to add are in the group."""

    def __init__(self, group_id: AddressGroupId, addresses: Sequence[str]) -> None:
        super().__init__(
            "addresses", f"{named(addresses)} already exist in the address group {group_id}"
        )
        self.group_id = group_id
        self.addresses = tuple(addresses)


class TooManyAddressesError(ConflictError):
    """The group would have more addresses than a port can hold."""

    def __init__(self, group_id: AddressGroupId, addresses: int, limit: int) -> None:
        super().__init__(
            f"Address group {group_id} would have {addresses} addresses, more than {limit}."
        )
        self.group_id = group_id
        self.addresses = addresses
        self.limit = limit
