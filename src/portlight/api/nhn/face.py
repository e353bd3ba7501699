"""The routes of this face; they stand beside those of the networking face, in its manner."""

from concurrent.futures import Executor

from starlette.routing import Route

from portlight.api.errors import neutron_body
from portlight.api.neutron.face import BASE
from portlight.api.nhn.gateways import INTERNET_GATEWAYS, NAT_GATEWAYS
from portlight.api.nhn.route_tables import ROUTE_TABLES, route_table_verb_routes
from portlight.api.nhn.routes import ROUTES
from portlight.api.nhn.security_group_ports import SECURITY_GROUP_PORTS
from portlight.api.nhn.subnets import SUBNETS, subnet_verb_routes
from portlight.api.nhn.vpcs import VPCS
from portlight.api.report import report_routes
from portlight.api.resource import routes_of
from portlight.api.shell import Face
from portlight.service.cloud import Cloud


def nhn_routes(cloud: Cloud, workers: Executor) -> list[Route]:
    """Return the routes of VPCs, their subnets, route tables, routes and gateways."""
    face = Face(cloud=cloud, workers=workers, error_body=neutron_body)
    return [
        *routes_of(face, VPCS, BASE),
        *routes_of(face, SUBNETS, BASE),
        *subnet_verb_routes(face, BASE),
        *routes_of(face, ROUTE_TABLES, BASE),
        *route_table_verb_routes(face, BASE),
        *routes_of(face, ROUTES, BASE),
        *routes_of(face, INTERNET_GATEWAYS, BASE),
        *routes_of(face, NAT_GATEWAYS, BASE),
        *report_routes(face, SECURITY_GROUP_PORTS, BASE),
    ]
