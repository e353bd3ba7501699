"""The description of the faces, for machines (`/openapi.json`) and for readers (`/docs`)."""

import json
from collections.abc import Iterable
from functools import cache
from html import escape
from typing import cast

from starlette.routing import Route

from portlight.api.openapi import build_document
from portlight.api.operation import operation
from portlight.api.schema import TEXT
from portlight.api.shell import Call, Face, Reply, route
from portlight.api.wire import Json

_PAGE_TYPE = "text/html; charset=utf-8"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
nav { columns: 4 13rem } nav a { display: block }
code, pre { font: 13px/1.4 ui-monospace, monospace }
pre { background: #8881; padding: .7rem; overflow-x: auto }
summary { cursor: pointer; padding: .2rem 0 }
.verb { display: inline-block; width: 4.5rem; font-weight: bold }
.GET { color: #1673b1 } .POST { color: #1d7a3c } .PUT { color: #a05a00 } .DELETE { color: #b3261e }
table { border-collapse: collapse } td { padding: 0 1rem 0 0; vertical-align: top }
:root { color-scheme: light dark }
"""
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


def docs_routes(face: Face, routes: Iterable[Route], *, version: str) -> list[Route]:
    """Return the routes that describe `routes` and themselves; `face` asks for no token."""
    served = list(routes)

    @cache
    def document() -> Json:
        return build_document(served, version=version)

    @operation(answer={"type": "object"})
    def show_document(_call: Call) -> Reply:
        """Describe every operation, as OpenAPI 3.1."""
        return Reply(document=document())

    @operation(answer=TEXT, media_type=_PAGE_TYPE)
    def show_page(_call: Call) -> Reply:
        """Describe every operation, as a page for readers."""
        page = render_page(document())
        return Reply(raw=page.encode(), media_type=_PAGE_TYPE, headers=_HEADERS)

    own = [route(face, "/openapi.json", GET=show_document), route(face, "/docs", GET=show_page)]
    served.extend(own)
    return own


def render_page(document: Json) -> str:
    """Render a document as a page that needs nothing else."""
    groups = _by_tag(document)
    links = "".join(f'<a href="#{escape(tag)}">{escape(tag)}</a>' for tag in groups)
    parts = "".join(_render_group(tag, entries) for tag, entries in groups.items())
    schemas = cast("Json", cast("Json", document["components"])["schemas"])
    named = "".join(_render_schema(name, schemas[name]) for name in sorted(schemas))
    info = cast("dict[str, str]", document["info"])
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])}</title>"
        f"<style>{_STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f"<p>{escape(info['description'])} The same for machines: "
        f'<a href="/openapi.json">/openapi.json</a>.</p>'
        f'<nav>{links}<a href="#schemas">schemas</a></nav>{parts}<h2 id=schemas>schemas</h2>{named}'
    )


def _by_tag(document: Json) -> dict[str, list[tuple[str, str, Json]]]:
    groups: dict[str, list[tuple[str, str, Json]]] = {}
    for path, methods in cast("dict[str, dict[str, Json]]", document["paths"]).items():
        for method, entry in methods.items():
            (tag,) = cast("list[str]", entry["tags"])
            groups.setdefault(tag, []).append((method.upper(), path, entry))
    return groups


def _render_group(tag: str, entries: list[tuple[str, str, Json]]) -> str:
    rendered = "".join(_render_operation(*entry) for entry in entries)
    return f"<h2 id='{escape(tag)}'>{escape(tag)}</h2>{rendered}"


def _render_operation(method: str, path: str, entry: Json) -> str:
    rows = "".join(_render_parameter(one) for one in cast("list[Json]", entry["parameters"]))
    parameters = f"<h4>Parameters</h4><table>{rows}</table>" if rows else ""
    body = _render_content("Body", cast("Json | None", entry.get("requestBody")))
    answers = "".join(
        _render_content(f"{status} {answer['description']}", answer, is_brief=status >= "400")
        for status, answer in cast("dict[str, Json]", entry["responses"]).items()
    )
    token = " or ".join(name for scheme in cast("list[Json]", entry["security"]) for name in scheme)
    return (
        f"<details><summary><span class='verb {method}'>{method}</span> "
        f"<code>{escape(path)}</code> {escape(str(entry['summary']))}</summary>"
        f"<p>{'Header ' + token if token else 'Public'}</p>{parameters}{body}{answers}</details>"
    )


def _render_parameter(parameter: Json) -> str:
    needed = " (required)" if parameter["required"] else ""
    schema = escape(json.dumps(parameter["schema"]))
    return (
        f"<tr><td><code>{escape(str(parameter['name']))}</code><td>{parameter['in']}{needed}"
        f"<td><code>{schema}</code>"
    )


def _render_content(heading: str, holder: Json | None, *, is_brief: bool = False) -> str:
    if holder is None:
        return ""
    content = cast("dict[str, Json]", holder.get("content", {}))
    shown = "" if is_brief else "".join(_render_json(one["schema"]) for one in content.values())
    return f"<h4>{escape(heading)}</h4>{shown}"


def _render_schema(name: str, schema: object) -> str:
    body = f"<summary>{escape(name)}</summary>{_render_json(schema)}"
    return f"<details id='{escape(name)}'>{body}</details>"


def _render_json(schema: object) -> str:
    return f"<pre>{escape(json.dumps(schema, indent=1))}</pre>"
