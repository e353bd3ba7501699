"""Portlight itself as a contender: driven through its API, as a user would.

Each pair is a deployment of its own, with its own state, tag and listener, and is gone afterwards.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import tcp_connections_per_second
from bench.pair import CLIENT_ADDRESS, SERVER_ADDRESS, Pair
from bench.rule_sets import AllowRule, allow_rules
from tests.support.deployment import Deployment, Guest, Json, deployment, wait_for

CHUNK = 500
"""Rules in one call."""


@contextmanager
def portlight_pair(prefix: str, rules: int) -> Iterator[Pair]:
    """Yield two running instances in one group with so many rules, once these are enforced."""
    with tempfile.TemporaryDirectory(prefix=prefix) as folder, deployment(Path(folder)) as cloud:
        network = cloud.network("bench")
        cloud.subnet(network, "192.168.77.0/24")
        group = cloud.group("bench")
        add_rules(cloud, group, allow_rules(rules))
        client = _guest(cloud, "client", network, group, CLIENT_ADDRESS)
        server = _guest(cloud, "server", network, group, SERVER_ADDRESS)
        pair = Pair(name="portlight", client=namespace_of(client), server=namespace_of(server))
        wait_for("a connection is let through", lambda: tcp_connections_per_second(pair, 0.1))
        yield pair


def add_rules(cloud: Deployment, group: Json, rules: tuple[AllowRule, ...]) -> None:
    """Add the rules in bulk; each call is all or nothing."""
    for start in range(0, len(rules), CHUNK):
        wire = [_on_the_wire(group, rule) for rule in rules[start : start + CHUNK]]
        cloud.neutron("POST", "/security-group-rules", {"security_group_rules": wire})


def namespace_of(guest: Guest) -> str:
    """Return the name of the instance's network namespace."""
    return str(guest.describe()["namespace"])


def _guest(cloud: Deployment, name: str, network: Json, group: Json, address: str) -> Guest:
    port = cloud.port(
        network,
        fixed_ips=[{"ip_address": address}],
        security_groups=[group["id"]],
    )
    return cloud.guest(name, {"port_id": port["id"]})


def _on_the_wire(group: Json, rule: AllowRule) -> Json:
    return {
        "security_group_id": group["id"],
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": rule.protocol,
        "port_range_min": rule.first_port,
        "port_range_max": rule.last_port,
        "remote_ip_prefix": rule.prefix,
    }
