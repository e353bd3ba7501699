"""Things that exist in a cloud, put in the place of identifiers that a generator invented."""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.support.api_server import ApiServer

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")
_COLLECTIONS = {
    "network_id": "/v2.0/networks",
    "vpc_id": "/v2.0/networks",
    "subnet_id": "/v2.0/subnets",
    "port_id": "/v2.0/ports",
    "security_group_id": "/v2.0/security-groups",
    "remote_group_id": "/v2.0/security-groups",
    "security_groups": "/v2.0/security-groups",
    "mirror_filter_id": "/portlight/v1/mirror-filters",
    "mirror_filter_ids": "/portlight/v1/mirror-filters",
    "source_port_ids": "/v2.0/ports",
    "traffic_mirror_filter_id": "/portlight/v1/mirror-filters",
    "traffic_mirror_sources": "/v2.0/ports",
    "traffic_mirror_target_id": "/v2.0/ports",
    "target_port_id": "/v2.0/ports",
    "routingtable_id": "/v2.0/routingtables",
    "route_table_id": "/v2.0/routingtables",
    "external_network_id": "/v2.0/vpcs?router:external=true",
    "peer_vpc_id": "/portlight/v1/vpcs",
    "gateway_id": "/v2.0/internetgateways",
    "floatingips_id": "/portlight/v1/public-ips",
    "instance_id": "/portlight/v1/instances",
}
"""Member of a body or path to where such things are listed."""
_ONE_OF_TWO = (("project_id", "tenant_id"), ("network_id", "vpc_id"))
"""Two spellings of one attribute, which must not contradict each other."""
_VPC = "/v3/"
"""The project in these addresses is the caller's own."""
_DIRECTORY = "/identity"
"""Its things are only looked at: the fuzzing user must not lock itself out."""


@dataclass(slots=True)
class KnownThings:
    """What exists. Lists are read again for each operation under test."""

    server: ApiServer
    _ids: dict[str, list[str]] = field(default_factory=dict)

    def forget(self) -> None:
        self._ids.clear()

    def path_variables(self, path: str, method: str) -> dict[str, str]:
        """Return real values for the variables of a path, as far as there are some."""
        if path.startswith(_DIRECTORY) and method != "GET":
            return {}
        found: dict[str, str] = {}
        for match in re.finditer(r"\{(\w+)\}", path):
            if path.startswith(_VPC) and match[1] == "project_id":
                found["project_id"] = self.own_project
                path = path.replace("{project_id}", self.own_project)
                return found | self.path_variables(path, method)
            collection = _COLLECTIONS.get(match[1], path[: match.start()].rstrip("/"))
            if "{" not in collection and (ids := self.ids(collection)):
                found[match[1]] = ids[0]
        return found

    @property
    def own_project(self) -> str:
        token = self.server.http("admin").headers["X-Auth-Token"]
        return str(self.server.cloud.authenticate_token(token).project_id)

    def ids(self, collection: str) -> list[str]:
        if collection not in self._ids:
            answer = self.server.http("admin").get(collection)
            listed = answer.json() if answer.status_code == 200 else {}
            rows = next((one for one in listed.values() if isinstance(one, list)), [])
            self._ids[collection] = [row["id"] for row in rows if "id" in row]
        return self._ids[collection]

    def settle(self, node: Any, key: str = "") -> Any:  # noqa: ANN401 -- JSON
        """Return the body with real identifiers, and with one spelling of each attribute."""
        if isinstance(node, dict):
            doubled = {second for first, second in _ONE_OF_TWO if first in node}
            return {
                name: self.settle(value, name)
                for name, value in node.items()
                if name not in doubled
            }
        if isinstance(node, list):
            return [self.settle(one, key) for one in node]
        if key in _COLLECTIONS and isinstance(node, str) and _UUID.fullmatch(node):
            return next(iter(self.ids(_COLLECTIONS[key])), node)
        return node


def furnish(server: ApiServer) -> None:
    """Make one thing of each of the first kinds, as the administrator."""
    made: dict[str, Any] = {}

    def make(path: str, name: str, /, **fields: object) -> None:
        made[name] = server.must("POST", path, {name: fields}, user="admin")[name]["id"]

    make("/v2.0/networks", "network", name="first")
    make("/v2.0/subnets", "subnet", network_id=made["network"], cidr="10.0.0.0/16")
    make("/v2.0/ports", "port", network_id=made["network"])
    make("/v2.0/security-groups", "security_group", name="group")
    make("/portlight/v1/instances", "instance", name="guest")
    make("/portlight/v1/virtual-ips", "virtual_ip", subnet_id=made["subnet"])
    make("/portlight/v1/mirror-filters", "mirror_filter", name="copies")
    rule = {"direction": "ingress", "ethertype": "IPv4", "action": "accept", "protocol": "all"}
    copies = made["mirror_filter"]
    make(
        "/portlight/v1/mirror-filter-rules",
        "mirror_filter_rule",
        mirror_filter_id=copies,
        priority=1,
        **rule,
    )
    make("/portlight/v1/mirror-sessions", "mirror_session", name="copies", priority=1)
    external = {"name": "public", "router:external": True}
    public = server.must("POST", "/v2.0/networks", {"network": external}, user="admin")
    made["public"] = public["network"]["id"]
    make("/v2.0/subnets", "subnet", network_id=made["public"], cidr="198.18.0.0/16")
    make("/v2.0/vpcs", "vpc", name="first", cidrv4="10.7.0.0/16")
    vpc = made["vpc"]
    make("/v2.0/vpcsubnets", "vpcsubnet", name="first", vpc_id=vpc, cidr="10.7.1.0/24")
    make("/v2.0/internetgateways", "internetgateway", name="o", external_network_id=made["public"])
    make("/portlight/v1/public-ips", "public_ip", network_id=made["public"])
