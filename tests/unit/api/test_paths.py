"""From a path to the route that serves it."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import httpx
from starlette.applications import Starlette
from starlette.routing import Match, Route
from starlette.types import Scope
from tests.support.api_server import PASSWORD, RandomIds, first_users
from tests.support.clouds import a_network, a_world
from tests.support.identities import user_ref

from portlight.api.app import build_app
from portlight.api.neutron.face import neutron_routes
from portlight.api.paths import Shortcut, indexed
from portlight.core.drafts import PortDraft
from portlight.service.identity.logins import NoScope, PasswordLogin
from portlight.service.identity.sealing import Sealer

ROUTES = cast("list[Route]", build_app(a_world().cloud, agent_token="").routes)


def a_request(path: str) -> Scope:
    return {"type": "http", "path": path, "method": "GET", "headers": []}


def first_of(routes: list[Route], path: str) -> Route | None:
    fits = (route for route in routes if route.matches(a_request(path))[0] is Match.FULL)
    return next(fits, None)


def test_the_short_way_ends_where_the_long_one_does() -> None:
    index = indexed(ROUTES)
    paths = [re.sub(r"\{[^}]*\}", "some-id", route.path) for route in ROUTES]

    for path in [*paths, "/v2.0/nothing", "/nothing/at/all", "/v2.0/ports/a/b/c/d"]:
        beginning = tuple(path.split("/")[1:3])
        long_way = first_of(ROUTES, path)
        short_way = first_of(list(index.get(beginning, ())), path)
        assert short_way in (long_way, None), path
        assert short_way or long_way not in [one for some in index.values() for one in some], path


def test_a_port_is_shown_without_waiting_for_a_worker() -> None:
    world = a_world()
    first_users(world.store, RandomIds(), Sealer.fresh())
    workers = ThreadPoolExecutor(1)
    workers.shutdown()
    routes = neutron_routes(world.cloud, workers)
    login = PasswordLogin(user=user_ref("portlight"), password=PASSWORD)
    token = world.cloud.identity.log_in(login, NoScope.DEFAULT).secret
    me = world.cloud.authenticate_token(token)
    port = world.cloud.ports.create(me, PortDraft(network_id=a_network(world, by=me).id))

    async def asked(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(Shortcut(Starlette(), routes))
        headers = {"X-Auth-Token": token}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://cloud", headers=headers
        ) as client:
            return await client.get(path)

    shown = asyncio.run(asked(f"/v2.0/ports/{port.id}"))
    listed = asyncio.run(asked("/v2.0/ports"))

    assert shown.status_code == httpx.codes.OK, shown.text
    assert shown.json()["port"]["id"] == port.id
    assert listed.status_code == httpx.codes.INTERNAL_SERVER_ERROR, "a list may be long"
