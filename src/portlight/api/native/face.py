"""The routes of the native face, apart from the channel of the agents."""

from concurrent.futures import Executor

from starlette.routing import Route

from portlight.api.errors import native_body
from portlight.api.native.audit import AUDIT, POSTURE
from portlight.api.native.counters import show_counters
from portlight.api.native.instances import INSTANCES, instance_verb_routes
from portlight.api.native.mirrors import (
    MIRROR_FILTER_RULES,
    MIRROR_FILTERS,
    MIRROR_SESSIONS,
    mirror_verb_routes,
)
from portlight.api.native.protection import show_protection
from portlight.api.native.public_ips import PUBLIC_IPS, public_ip_verb_routes
from portlight.api.native.quotas import quota_routes
from portlight.api.native.status import show_status
from portlight.api.native.usage import ADDRESS_USES, ORPHANS, show_usage
from portlight.api.native.virtual_ips import VIRTUAL_IPS, virtual_ip_verb_routes
from portlight.api.native.vpcs import PEERINGS, ROUTES, VPCS, peering_verb_routes
from portlight.api.report import report_routes
from portlight.api.resource import routes_of
from portlight.api.shell import Face, route
from portlight.service.cloud import Cloud

BASE = "/portlight/v1"


def native_routes(cloud: Cloud, workers: Executor) -> list[Route]:
    """Return the routes of instances, virtual IPs, VPCs, mirroring, quotas and status."""
    face = Face(cloud=cloud, workers=workers, error_body=native_body)
    return [
        *routes_of(face, INSTANCES, BASE),
        *instance_verb_routes(face, BASE),
        *routes_of(face, VIRTUAL_IPS, BASE),
        *virtual_ip_verb_routes(face, BASE),
        *routes_of(face, VPCS, BASE),
        *routes_of(face, ROUTES, BASE),
        *routes_of(face, PEERINGS, BASE),
        *peering_verb_routes(face, BASE),
        *routes_of(face, PUBLIC_IPS, BASE),
        *public_ip_verb_routes(face, BASE),
        *routes_of(face, MIRROR_FILTERS, BASE),
        *routes_of(face, MIRROR_FILTER_RULES, BASE),
        *routes_of(face, MIRROR_SESSIONS, BASE),
        *mirror_verb_routes(face, BASE),
        *quota_routes(face, BASE),
        *report_routes(face, AUDIT, BASE),
        *report_routes(face, POSTURE, BASE),
        *report_routes(face, ADDRESS_USES, BASE),
        *report_routes(face, ORPHANS, BASE),
        route(face, f"{BASE}/usage", GET=show_usage),
        route(face, f"{BASE}/status", GET=show_status),
        route(face, f"{BASE}/ports/{{id}}/counters", GET=show_counters),
        route(face, f"{BASE}/security-groups/{{id}}/protection", GET=show_protection),
    ]
