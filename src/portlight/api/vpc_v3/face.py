"""The routes of the VPC v3 dialect."""

import secrets
from concurrent.futures import Executor

from starlette.routing import Route

from portlight.api.shell import Face, route
from portlight.api.vpc_v3.callers import by_signature_or_token
from portlight.api.vpc_v3.errors import vpc_v3_body
from portlight.api.vpc_v3.filters import FILTERS
from portlight.api.vpc_v3.quotas import show_quotas
from portlight.api.vpc_v3.resource import BASE, resource_routes
from portlight.api.vpc_v3.rules import RULES, batch_routes
from portlight.api.vpc_v3.sessions import SESSIONS, source_routes
from portlight.service.cloud import Cloud

PREFIX = "/v3"


def vpc_v3_face(cloud: Cloud, workers: Executor) -> Face:
    """Return what the routes of the dialect have in common."""
    return Face(
        cloud=cloud,
        workers=workers,
        error_body=vpc_v3_body,
        authenticate=by_signature_or_token,
        takes_signatures=True,
        request_id=_request_id,
    )


def vpc_v3_routes(cloud: Cloud, workers: Executor) -> list[Route]:
    """Return every route of the dialect."""
    face = vpc_v3_face(cloud, workers)
    return [
        *resource_routes(face, FILTERS),
        *batch_routes(face),
        *resource_routes(face, RULES),
        *resource_routes(face, SESSIONS),
        *source_routes(face),
        route(face, f"{BASE}/quotas", GET=show_quotas),
    ]


def _request_id() -> str:
    return secrets.token_hex(16)
