"""What the rules of a group take of a port's room: kept up to date, and refused when too much.

Belongs to the use cases that add to a group or to an address group, in their transaction.
"""

from dataclasses import replace
from functools import cache

from portlight.core.address_group import AddressGroup
from portlight.core.group_room import check_room, room_for
from portlight.core.port import Port
from portlight.core.security_group import SecurityGroup, SecurityGroupRule
from portlight.service.work import Work
from portlight.values.ids import SecurityGroupId


def settle(work: Work, group: SecurityGroup, changed: SecurityGroup) -> None:
    """Save a changed group with the room that it takes now.

    Raises TooManyRulesError when a port that carries the group cannot hold it any more.
    """
    settled = replace(changed, room=room_for(_places(work, group.id)))
    if settled.room > group.room:
        _check_ports(work, settled)
    if settled != group:
        work.tx.update(group, settled)


def settle_users(work: Work, address_group: AddressGroup) -> None:
    """Settle every group whose rules refer to an address group."""
    rules = work.tx.find(SecurityGroupRule, {"remote_address_group_id": [address_group.id]})
    for group_id in sorted({rule.security_group_id for rule in rules}):
        group = work.tx.get(SecurityGroup, group_id)
        if group is not None:
            settle(work, group, group)


def _places(work: Work, group_id: SecurityGroupId) -> int:
    """Return how many rules a group has, and addresses in the address groups that they name."""
    rules = work.tx.find(SecurityGroupRule, {"by_addresses_in": [group_id]})
    named = {rule.remote_address_group_id for rule in rules if rule.remote_address_group_id}
    found = work.tx.find(AddressGroup, {"id": sorted(named)}) if named else []
    addresses = sum(len(one.addresses) for one in found)
    return addresses + work.tx.count(SecurityGroupRule, {"security_group_id": [group_id]})


def _check_ports(work: Work, changed: SecurityGroup) -> None:
    carriers = work.tx.find(Port, {"security_group_id": [changed.id]})
    load = cache(lambda group_id: work.tx.get(SecurityGroup, group_id))
    for together in {port.security_groups for port in carriers}:
        others = [load(group_id) for group_id in together if group_id != changed.id]
        check_room([changed, *(group for group in others if group is not None)])
