"""The rows of the policy that speak of traffic mirroring (`tests/compat/test_policy_table.py`)."""

import itertools

from tests.support.policy_stage import Json, Row, Stage, free_port, named

NATIVE = "/portlight/v1"
FILTER = f"{NATIVE}/mirror-filters/{{mirror_filter}}"
RULE = f"{NATIVE}/mirror-filter-rules/{{mirror_rule}}"
SESSION = f"{NATIVE}/mirror-sessions/{{mirror_session}}"
PRIORITIES = itertools.count(1)


def make_filter(stage: Stage) -> None:
    stage.ids["mirror_filter"] = stage.make(f"{NATIVE}/mirror-filters", name="copies")


def a_rule(stage: Stage) -> Json:
    rule = {"direction": "ingress", "ethertype": "IPv4", "protocol": "all", "action": "accept"}
    return {"mirror_filter_id": stage.ids["mirror_filter"], "priority": 1, **rule}


def make_rule(stage: Stage) -> None:
    make_filter(stage)
    stage.ids["mirror_rule"] = stage.make(f"{NATIVE}/mirror-filter-rules", **a_rule(stage))


def a_session(_: Stage) -> Json:
    return {"mirror_session": {"name": "copies", "priority": next(PRIORITIES)}}


def make_session(stage: Stage) -> None:
    fields = a_session(stage)["mirror_session"]
    stage.ids["mirror_session"] = stage.make(f"{NATIVE}/mirror-sessions", **fields)


def session_and_port(stage: Stage) -> None:
    make_session(stage)
    free_port(stage)


def rows_of_one(kind: str, template: str) -> tuple[Row, ...]:
    """Return the rows of seeing, changing and deleting one."""
    before = {"filter": make_filter, "filter_rule": make_rule, "session": make_session}[kind]
    body = named(f"mirror_{kind}")
    if kind == "filter_rule":
        body = lambda _: {"mirror_filter_rule": {"description": "new"}}  # noqa: E731 -- beside `named`
    return (
        Row(
            action=f"get_mirror_{kind}",
            call=f"GET {template}",
            expect="200 200 200 200 404 404",
            before=before,
        ),
        Row(
            action=f"update_mirror_{kind}",
            call=f"PUT {template}",
            expect="200 200 200 403 404 404",
            body=body,
            before=before,
        ),
        Row(
            action=f"delete_mirror_{kind}",
            call=f"DELETE {template}",
            expect="204 204 204 403 404 404",
            before=before,
        ),
    )


MIRROR_ROWS = (
    *rows_of_one("filter", FILTER),
    *rows_of_one("filter_rule", RULE),
    *rows_of_one("session", SESSION),
    Row(
        action="create_mirror_filter",
        call=f"POST {NATIVE}/mirror-filters",
        expect="201 201 201 403 201 201",
        body=named("mirror_filter"),
    ),
    Row(
        action="create_mirror_filter_rule",
        call=f"POST {NATIVE}/mirror-filter-rules",
        expect="201 201 201 403 404 404",
        body=lambda stage: {"mirror_filter_rule": a_rule(stage)},
        before=make_filter,
    ),
    Row(
        action="create_mirror_session",
        call=f"POST {NATIVE}/mirror-sessions",
        expect="201 201 201 403 201 201",
        body=a_session,
    ),
    Row(
        action="update_mirror_session",
        call=f"POST {SESSION}/add-sources",
        expect="200 200 200 403 404 404",
        body=lambda stage: {"source_port_ids": [stage.ids["free_port"]]},
        before=session_and_port,
    ),
)
