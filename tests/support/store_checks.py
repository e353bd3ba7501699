"""What holds in every store whoever died while writing: nothing is half there."""

from collections import Counter

from portlight.core.network import Subnet
from portlight.core.port import Port
from portlight.core.topology import KIND_OF, Entity
from portlight.store.protocol import Reading, Store


def assert_whole(store: Store) -> list[Port]:
    """Check addresses, look-ups, numbers, counts and the change log; return the ports."""
    with store.reading() as tx:
        ports = tx.find(Port)
        assert max(Counter(port.number for port in ports).values(), default=1) == 1
        assert_addresses(tx, ports)
        assert_found_by_keys(tx, ports)
        assert_log(tx)
        for usage in tx.usages():
            where = {"project_id": [usage.project_id]}
            assert usage.used == tx.count(usage.kind, where), usage
    return ports


def assert_addresses(tx: Reading, ports: list[Port]) -> None:
    """Every address of a subnet's pools is free, or held by exactly the port that shows it."""
    for subnet in tx.find(Subnet):
        shown = {
            ip.address: port.id
            for port in ports
            for ip in port.fixed_ips
            if ip.subnet_id == subnet.id
        }
        assert tx.holders(subnet.id) == shown
        free = sum(int(one.last) - int(one.first) + 1 for one in tx.free_ranges(subnet.id))
        pools = sum(int(one.last) - int(one.first) + 1 for one in subnet.allocation_pools)
        in_pools = [ip for ip in shown if any(ip in pool for pool in subnet.allocation_pools)]
        assert free == pools - len(in_pools)


def assert_found_by_keys(tx: Reading, ports: list[Port]) -> None:
    """A port is found by each of its addresses and groups, and nothing is found by old ones."""
    for port in ports:
        for ip in port.fixed_ips:
            assert port in tx.find(Port, {"address": [str(ip.address)]})
    groups = Counter(group for port in ports for group in port.security_groups)
    for group, members in groups.items():
        assert tx.count(Port, {"security_group_id": [group]}) == members


def assert_log(tx: Reading) -> None:
    """The log has no gap and tells of every entity that is there."""
    changes = tx.changes(0)
    assert [change.sequence for change in changes] == list(range(1, len(changes) + 1))
    told = {(change.kind, change.id) for change in changes}
    for kind, name in KIND_OF.items():
        entities: list[Entity] = tx.find(kind)
        assert {(name, entity.id) for entity in entities} <= told
