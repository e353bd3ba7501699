"""The rows of the policy that speak of routers and floating IPs."""

from tests.support.policy_stage import Json, Row, Stage, a_cidr, named
from tests.support.policy_vpcs import make_external

ROUTER = "/v2.0/routers/{router}"
ADDRESS = "/v2.0/floatingips/{floating_ip}"
FORWARDING = f"{ADDRESS}/port_forwardings/{{forwarding}}"


def make_router(stage: Stage) -> None:
    stage.ids["router"] = stage.make("/v2.0/routers", name="router")


def make_street(stage: Stage) -> None:
    """Make a subnet, and a router beside it."""
    make_router(stage)
    network = stage.make("/v2.0/networks", name="street")
    made = stage.make("/v2.0/subnets", network_id=network, cidr=a_cidr(stage), enable_dhcp=False)
    stage.ids["street_network"], stage.ids["street"] = network, made


def join_street(stage: Stage) -> None:
    """Make a subnet behind a router that leads outside, with a port."""
    make_street(stage)
    info = {"network_id": make_external(stage)}
    led = {"router": {"external_gateway_info": info}}
    for path, body in ((ROUTER, led), (f"{ROUTER}/add_router_interface", the_subnet(stage))):
        answer = stage.by("member", "PUT", stage.path(path), body)
        assert answer.status_code == 200, answer.text
    stage.ids["street_port"] = stage.make("/v2.0/ports", network_id=stage.ids["street_network"])


def the_subnet(stage: Stage) -> Json:
    return {"subnet_id": stage.ids["street"]}


def no_routes(_: Stage) -> Json:
    return {"router": {"routes": []}}


def without_translation(stage: Stage) -> Json:
    network = make_external(stage)
    return {"router": {"external_gateway_info": {"network_id": network, "enable_snat": False}}}


def with_addresses(stage: Stage) -> Json:
    network = make_external(stage)
    info: Json = {"network_id": network, "external_fixed_ips": []}
    return {"router": {"external_gateway_info": info}}


def an_address(stage: Stage) -> Json:
    return {"floatingip": {"floating_network_id": make_external(stage)}}


def this_address(stage: Stage) -> Json:
    taken = len(stage.by("admin", "GET", "/v2.0/floatingips").json()["floatingips"])
    chosen = {"floating_ip_address": f"198.18.99.{taken + 1}"}
    return {"floatingip": {**an_address(stage)["floatingip"], **chosen}}


def make_address(stage: Stage) -> None:
    stage.ids["floating_ip"] = stage.make("/v2.0/floatingips", **an_address(stage)["floatingip"])


def prepare_forwarding(stage: Stage) -> None:
    join_street(stage)
    make_address(stage)


def a_forwarding(stage: Stage) -> Json:
    port = stage.ids["street_port"]
    ports = {"internal_port": 80, "external_port": 8080}
    return {"port_forwarding": {"protocol": "tcp", "internal_port_id": port, **ports}}


def make_forwarding(stage: Stage) -> None:
    prepare_forwarding(stage)
    path = stage.path(f"{ADDRESS}/port_forwardings")
    stage.ids["forwarding"] = stage.make(path, **a_forwarding(stage)["port_forwarding"])


_ADMINS = "200 403 403 403 404 404"

ROUTER_ROWS = (
    Row(
        action="get_router",
        call=f"GET {ROUTER}",
        expect="200 200 200 200 404 404",
        before=make_router,
    ),
    Row(
        action="create_router",
        call="POST /v2.0/routers",
        expect="201 201 201 403 201 201",
        body=named("router"),
    ),
    Row(
        action="update_router",
        call=f"PUT {ROUTER}",
        expect="200 200 200 403 404 404",
        body=named("router"),
        before=make_router,
    ),
    Row(
        action="delete_router",
        call=f"DELETE {ROUTER}",
        expect="204 204 204 403 404 404",
        before=make_router,
    ),
    Row(
        action="router:external_gateway_info:enable_snat",
        call=f"PUT {ROUTER}",
        expect=_ADMINS,
        body=without_translation,
        before=make_router,
    ),
    Row(
        action="router:external_gateway_info:external_fixed_ips",
        call=f"PUT {ROUTER}",
        expect=_ADMINS,
        body=with_addresses,
        before=make_router,
    ),
    Row(
        action="add_router_interface",
        call=f"PUT {ROUTER}/add_router_interface",
        expect="200 200 200 403 404 404",
        body=the_subnet,
        before=make_street,
    ),
    Row(
        action="remove_router_interface",
        call=f"PUT {ROUTER}/remove_router_interface",
        expect="200 200 200 403 404 404",
        body=the_subnet,
        before=join_street,
    ),
    *(
        Row(
            action=action,
            call=f"PUT {ROUTER}/{action}",
            expect="200 200 200 403 404 404",
            body=no_routes,
            before=make_router,
        )
        for action in ("add_extraroutes", "remove_extraroutes")
    ),
    Row(
        action="get_floatingip",
        call=f"GET {ADDRESS}",
        expect="200 200 200 200 404 404",
        before=make_address,
    ),
    Row(
        action="create_floatingip",
        call="POST /v2.0/floatingips",
        expect="201 201 201 403 201 201",
        body=an_address,
    ),
    Row(
        action="floatingip:floating_ip_address",
        call="POST /v2.0/floatingips",
        expect="201 201 201 403 201 201",
        body=this_address,
    ),
    Row(
        action="update_floatingip",
        call=f"PUT {ADDRESS}",
        expect="200 200 200 403 404 404",
        body=lambda _: {"floatingip": {"label": "web"}},
        before=make_address,
    ),
    Row(
        action="delete_floatingip",
        call=f"DELETE {ADDRESS}",
        expect="204 204 204 403 404 404",
        before=make_address,
    ),
    Row(
        action="create_floatingip_port_forwarding",
        call=f"POST {ADDRESS}/port_forwardings",
        expect="201 201 201 403 404 404",
        body=a_forwarding,
        before=prepare_forwarding,
    ),
    Row(
        action="get_floatingip_port_forwarding",
        call=f"GET {FORWARDING}",
        expect="200 200 200 200 404 404",
        before=make_forwarding,
    ),
    Row(
        action="update_floatingip_port_forwarding",
        call=f"PUT {FORWARDING}",
        expect="200 200 200 403 404 404",
        body=lambda _: {"port_forwarding": {"description": "web"}},
        before=make_forwarding,
    ),
    Row(
        action="delete_floatingip_port_forwarding",
        call=f"DELETE {FORWARDING}",
        expect="204 204 204 403 404 404",
        before=make_forwarding,
    ),
)
