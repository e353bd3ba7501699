"""The routes of the networking face."""

from concurrent.futures import Executor
from http import HTTPStatus

from starlette.routing import Route

from portlight.api.errors import neutron_body
from portlight.api.neutron.address_groups import ADDRESS_GROUPS, address_group_verb_routes
from portlight.api.neutron.address_scopes import ADDRESS_SCOPES
from portlight.api.neutron.availability import (
    AGENTS,
    IP_AVAILABILITIES,
    SERVICE_PROVIDERS,
    ZONE_LIST,
)
from portlight.api.neutron.default_rules import DEFAULT_RULES
from portlight.api.neutron.extensions import list_extensions, show_extension
from portlight.api.neutron.floating_ips import FLOATING_IPS
from portlight.api.neutron.networks import NETWORKS
from portlight.api.neutron.port_forwardings import PORT_FORWARDINGS
from portlight.api.neutron.ports import PORTS
from portlight.api.neutron.quotas import quota_routes
from portlight.api.neutron.rbac_policies import RBAC_POLICIES
from portlight.api.neutron.routers import ROUTERS, router_verb_routes
from portlight.api.neutron.security_group_rules import SECURITY_GROUP_RULES
from portlight.api.neutron.security_groups import SECURITY_GROUPS
from portlight.api.neutron.subnet_pools import SUBNET_POOLS, pool_actions
from portlight.api.neutron.subnets import SUBNETS
from portlight.api.neutron.tags import tag_routes
from portlight.api.operation import operation
from portlight.api.report import report_routes
from portlight.api.resource import routes_of
from portlight.api.schema import TEXT, array, shape
from portlight.api.shell import Call, Face, Reply, route
from portlight.api.wire import Json
from portlight.service.cloud import Cloud

BASE = "/v2.0"
_LINK = shape({"rel": TEXT, "href": {"type": "string", "format": "uri"}}, title="link")
_VERSION = shape({"id": TEXT, "status": TEXT, "links": array(_LINK)})
_RESOURCE = shape({"name": TEXT, "collection": TEXT, "links": array(_LINK)})


def neutron_routes(cloud: Cloud, workers: Executor) -> list[Route]:
    """Return every route of the face; the version documents need no token."""
    face = Face(cloud=cloud, workers=workers, error_body=neutron_body)
    public = Face(cloud=cloud, workers=workers, error_body=neutron_body, authenticated=False)
    return [
        route(public, "/", GET=_versions),
        *(route(public, path, GET=_version) for path in (BASE, f"{BASE}/")),
        route(face, f"{BASE}/extensions", GET=list_extensions),
        route(face, f"{BASE}/extensions/{{alias}}", GET=show_extension),
        *routes_of(face, NETWORKS, BASE),
        *tag_routes(face, NETWORKS, BASE),
        *routes_of(face, SUBNETS, BASE),
        *tag_routes(face, SUBNETS, BASE),
        *routes_of(face, SUBNET_POOLS, BASE),
        *pool_actions(face, BASE),
        *tag_routes(face, SUBNET_POOLS, BASE),
        *routes_of(face, ADDRESS_SCOPES, BASE),
        *routes_of(face, AGENTS, BASE),
        *report_routes(face, IP_AVAILABILITIES, BASE),
        *report_routes(face, ZONE_LIST, BASE),
        *report_routes(face, SERVICE_PROVIDERS, BASE),
        *routes_of(face, PORTS, BASE),
        *tag_routes(face, PORTS, BASE),
        *routes_of(face, SECURITY_GROUPS, BASE),
        *tag_routes(face, SECURITY_GROUPS, BASE),
        *routes_of(face, SECURITY_GROUP_RULES, BASE),
        *routes_of(face, DEFAULT_RULES, BASE),
        *routes_of(face, ADDRESS_GROUPS, BASE),
        *address_group_verb_routes(face, BASE),
        *routes_of(face, ROUTERS, BASE),
        *router_verb_routes(face, BASE),
        *tag_routes(face, ROUTERS, BASE),
        *routes_of(face, FLOATING_IPS, BASE),
        *tag_routes(face, FLOATING_IPS, BASE),
        *routes_of(face, PORT_FORWARDINGS, f"{BASE}/floatingips/{{floating_ip_id}}"),
        *routes_of(face, RBAC_POLICIES, BASE),
        *quota_routes(face, BASE),
    ]


@operation(answer=shape({"versions": array(_VERSION)}))
def _versions(call: Call) -> Reply:
    """List the versions of the networking interface."""
    link: Json = {"rel": "self", "href": f"{call.base_url}{BASE}/"}
    version: Json = {"id": "v2.0", "status": "CURRENT", "links": [link]}
    return Reply(status=HTTPStatus.OK, document={"versions": [version]})


@operation(answer=shape({"resources": array(_RESOURCE)}))
def _version(call: Call) -> Reply:
    """List the kinds of resources."""
    plurals = (
        NETWORKS,
        SUBNETS,
        SUBNET_POOLS,
        ADDRESS_SCOPES,
        AGENTS,
        PORTS,
        SECURITY_GROUPS,
        SECURITY_GROUP_RULES,
        DEFAULT_RULES,
        ADDRESS_GROUPS,
        ROUTERS,
        FLOATING_IPS,
        RBAC_POLICIES,
    )
    resources: list[Json] = [
        {
            "name": one.name,
            "collection": one.plural,
            "links": [
                {
                    "rel": "self",
                    "href": f"{call.base_url}{BASE}/{one.plural.replace('_', '-')}",
                }
            ],
        }
        for one in plurals
    ]
    return Reply(document={"resources": resources})
