"""A project with one thing of every kind, people around it, and requests that they can make."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.support.api_server import AGENT_TOKEN, HOST, ApiServer, api_server

Json = dict[str, Any]


@dataclass(slots=True)
class Stage:
    """A project with one thing of every kind, and people around it."""

    server: ApiServer
    projects: dict[str, str] = field(default_factory=dict)
    clients: dict[str, httpx.Client] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def by(self, who: str, method: str, path: str, body: Json | None = None) -> httpx.Response:
        return self.clients[who].request(method, path, json=body)

    def make(self, path: str, who: str = "member", **fields: object) -> str:
        """Make one thing; its collection's path says what."""
        name = path.rsplit("/", 1)[1].replace("-", "_")
        singular = "rbac_policy" if name == "rbac_policies" else name.removesuffix("s")
        answer = self.by(who, "POST", path, {singular: fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()[singular]["id"])

    def path(self, template: str) -> str:
        return template.format(**self.ids, **self.projects)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One action: the request, and what each of the callers gets."""

    action: str
    call: str
    """Method and path."""
    expect: str
    body: Callable[[Stage], Json] | None = None
    before: Callable[[Stage], object] | None = None
    """What has to be made anew for each caller, because the request changes it."""


@contextlib.contextmanager
def a_stage() -> Iterator[Stage]:
    """Build the stage in a server of its own."""
    with api_server() as server:
        built = Stage(server=server)
        for project, people in {
            "owner": ("manager", "member", "reader"),
            "strangers": ("stranger",),
            "partners": ("shared",),
        }.items():
            built.projects[project] = server.a_project(project)
            for person in people:
                role = person if person in ("manager", "reader") else "member"
                built.clients[person] = server.someone(built.projects[project], role)
        built.clients["admin"] = server.http("admin")
        furnish(built)
        yield built
        for name, client in built.clients.items():
            if name != "admin":
                client.close()


def furnish(stage: Stage) -> None:
    """Make one thing of every kind, each used by something."""
    ids = stage.ids
    ids["network"] = stage.make("/v2.0/networks")
    ids["subnet"] = stage.make("/v2.0/subnets", network_id=ids["network"], cidr="10.0.0.0/16")
    ids["group"] = stage.make("/v2.0/security-groups", name="web")
    groups = [ids["group"]]
    ids["port"] = stage.make(
        "/v2.0/ports", network_id=ids["network"], device_id="elsewhere", security_groups=groups
    )
    ids["vip_member"] = stage.make("/v2.0/ports", network_id=ids["network"])
    held = stage.make("/v2.0/ports", network_id=ids["network"])
    ids["virtual_ip"] = stage.make(
        "/portlight/v1/virtual-ips", subnet_id=ids["subnet"], members=[{"port_id": held}]
    )
    ids["instance"] = stage.make("/portlight/v1/instances", name="guest")
    ids["scope"] = stage.make("/v2.0/address-scopes", name="scope", ip_version=4)
    ids["pool"] = stage.make("/v2.0/subnetpools", name="pool", prefixes=["10.200.0.0/16"])
    ids["addresses"] = stage.make("/v2.0/address-groups", name="office", addresses=["192.0.2.0/24"])
    for object_type, key in (
        ("address_group", "addresses"),
        ("network", "network"),
        ("security_group", "group"),
        ("subnetpool", "pool"),
        ("address_scope", "scope"),
    ):
        stage.make(
            "/v2.0/rbac-policies",
            object_type=object_type,
            object_id=ids[key],
            action="access_as_shared",
            target_tenant=stage.projects["partners"],
        )
    stage.make("/v2.0/ports", who="shared", network_id=ids["network"])
    ask_as_a_host(stage)


def ask_as_a_host(stage: Stage) -> None:
    """Let the host of the server ask once, so that there is an agent."""
    answer = httpx.get(
        f"{stage.server.url}/portlight/v1/agent/changes?host={HOST}",
        headers={"X-Agent-Token": AGENT_TOKEN},
        trust_env=False,
    )
    assert answer.is_success, answer.text
    (agent,) = stage.by("admin", "GET", "/v2.0/agents").json()["agents"]
    stage.ids["agent"] = agent["id"]


def named(kind: str) -> Callable[[Stage], Json]:
    return lambda _: {kind: {"name": "new"}}


def on_network(kind: str, **fields: object) -> Callable[[Stage], Json]:
    return lambda stage: {kind: {"network_id": stage.ids["network"], **fields}}


def mortal_pool(stage: Stage) -> None:
    stage.ids["mortal_pool"] = stage.make(
        "/v2.0/subnetpools", name="mortal", prefixes=["10.201.0.0/16"]
    )


def mortal_scope(stage: Stage) -> None:
    stage.ids["mortal_scope"] = stage.make("/v2.0/address-scopes", name="mortal", ip_version=4)


def a_pool(**fields: object) -> Callable[[Stage], Json]:
    name, prefixes = uuid.uuid4().hex, ["fd00:200::/48"]
    return lambda _: {"subnetpool": {"name": name, "prefixes": prefixes, **fields}}


def a_scope(**fields: object) -> Callable[[Stage], Json]:
    return lambda _: {"address_scope": {"name": "scope", "ip_version": 6, **fields}}


def mortal_addresses(stage: Stage) -> None:
    stage.ids["mortal_addresses"] = stage.make("/v2.0/address-groups", name="mortal")


def a_default_rule(_: Stage) -> Json:
    port = uuid.uuid4().int % 60_000 + 1
    fields = {"protocol": "udp", "port_range_min": port, "port_range_max": port}
    return {"default_security_group_rule": {"direction": "ingress", **fields}}


def make_default_rule(stage: Stage) -> None:
    path = "/v2.0/default-security-group-rules"
    made = stage.by("admin", "POST", path, a_default_rule(stage))
    stage.ids["default_rule"] = made.json()["default_security_group_rule"]["id"]


def held_port(stage: Stage) -> None:
    fields = {"network_id": stage.ids["network"], "device_id": "elsewhere"}
    stage.ids["held"] = stage.make("/v2.0/ports", **fields)


def lonely_network(stage: Stage) -> None:
    stage.ids["lonely"] = stage.make("/v2.0/networks")


def mortal_instance(stage: Stage) -> None:
    stage.ids["mortal"] = stage.make("/portlight/v1/instances", name="mortal")


def a_cidr(_: Stage) -> str:
    number = uuid.uuid4().int
    return f"10.{number % 200 + 20}.{(number >> 16) % 250}.0/24"


def a_subnet(stage: Stage) -> Json:
    return {"subnet": {"network_id": stage.ids["network"], "cidr": a_cidr(stage)}}


def a_rule(stage: Stage) -> Json:
    port = uuid.uuid4().int % 60_000 + 1
    return {
        "security_group_rule": {
            "security_group_id": stage.ids["group"],
            "direction": "ingress",
            "protocol": "tcp",
            "port_range_min": port,
            "port_range_max": port,
        }
    }


def make_rule(stage: Stage) -> None:
    answer = stage.by("member", "POST", "/v2.0/security-group-rules", a_rule(stage))
    stage.ids["rule"] = answer.json()["security_group_rule"]["id"]


def a_policy(stage: Stage, network: str = "network") -> Json:
    return {
        "rbac_policy": {
            "object_type": "network",
            "object_id": stage.ids[network],
            "action": "access_as_shared",
            "target_tenant": uuid.uuid4().hex,
        }
    }


def for_someone(_: Stage) -> Json:
    return {"rbac_policy": {"target_tenant": uuid.uuid4().hex}}


def make_policy(stage: Stage, network: str = "network") -> None:
    answer = stage.by("member", "POST", "/v2.0/rbac-policies", a_policy(stage, network))
    stage.ids["policy"] = answer.json()["rbac_policy"]["id"]


def lonely_policy(stage: Stage) -> None:
    lonely_network(stage)
    make_policy(stage, "lonely")


def make_quota(stage: Stage) -> None:
    path = stage.path("/v2.0/quotas/{owner}")
    stage.by("admin", "PUT", path, {"quota": {"network": 5000}})


def free_port(stage: Stage) -> None:
    stage.ids["free_port"] = stage.make("/v2.0/ports", network_id=stage.ids["network"])


def attached_port(stage: Stage) -> None:
    free_port(stage)
    path = stage.path("/portlight/v1/instances/{instance}/interfaces")
    interface = {"interface": {"port_id": stage.ids["free_port"]}}
    assert stage.by("member", "POST", path, interface).status_code == 201


def made_member(stage: Stage) -> None:
    path = stage.path("/portlight/v1/virtual-ips/{virtual_ip}/members")
    member = {"member": {"port_id": stage.ids["vip_member"]}}
    assert stage.by("member", "POST", path, member).status_code == 201


def member_of_vip(stage: Stage) -> Json:
    return {"member": {"port_id": stage.ids["vip_member"]}}
