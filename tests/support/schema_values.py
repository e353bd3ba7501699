"""JSON values to try a parser with: those that its schema allows, near misses, and noise."""

import ipaddress
import re
from typing import Any

import jsonschema_rs
from hypothesis import strategies as st

Schema = dict[str, Any]

_LONGEST_LIST = 3
NOISE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 70_000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["True", "0", "IPV4", "ingress", "10.0.0.1", "10.0.0.1/24", "fe80::1%a"])
    | st.sampled_from(["10.0.0.0/24", "10.0.0.0/255.0.0.0", "fd00::/64", "aa-bb-cc-00-11-22"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
NETWORKS = st.builds(
    lambda address, length: str(
        ipaddress.ip_network((address, min(length, address.max_prefixlen)), strict=False)
    ),
    st.ip_addresses(),
    st.integers(0, 128),
)
LOOSE_NETWORKS = st.builds(
    lambda address, length: f"{address}/{min(length, address.max_prefixlen)}",
    st.ip_addresses(),
    st.integers(0, 128),
)
_FORMATS = {
    "ipv4": st.ip_addresses(v=4).map(str),
    "ipv6": st.ip_addresses(v=6).map(str),
    "cidr": NETWORKS,
    "loose-cidr": LOOSE_NETWORKS,
}


def is_cidr(text: str) -> bool:
    """Tell whether it is `address/length` with zeros behind the length."""
    try:
        return is_loose_cidr(text) and ipaddress.ip_network(text) is not None
    except ValueError:
        return False


def is_loose_cidr(text: str) -> bool:
    """Tell whether it is `address/length`."""
    address, _, length = text.partition("/")
    if "%" in text or not re.fullmatch("0|[1-9][0-9]{0,2}", length):
        return False
    try:
        return int(length) <= ipaddress.ip_address(address).max_prefixlen
    except ValueError:
        return False


def validator(schema: Schema) -> jsonschema_rs.Validator:
    formats = {"cidr": is_cidr, "loose-cidr": is_loose_cidr, "ipv6": _is_ipv6}
    return jsonschema_rs.validator_for(schema, validate_formats=True, formats=formats)


def values(schema: Schema) -> st.SearchStrategy[Any]:
    """Return values that the schema allows (mostly)."""
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return st.one_of([values(_with_choice(schema, one)) for one in schema["anyOf"]])
    if "type" not in schema:
        return NOISE
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of([_of_type(kind, schema) for kind in kinds])


def _with_choice(schema: Schema, choice: Schema) -> Schema:
    common = {key: value for key, value in schema.items() if key != "anyOf"}
    members = {**common.get("properties", {}), **choice.get("properties", {})}
    return {**common, **choice, **({"properties": members} if members else {})}


def _of_type(kind: str, schema: Schema) -> st.SearchStrategy[Any]:
    if kind == "string":
        return _texts(schema)
    if kind == "array":
        return st.lists(values(schema.get("items", {})), max_size=_LONGEST_LIST)
    if kind == "object":
        return _objects(schema)
    simple: dict[str, st.SearchStrategy[Any]] = {
        "integer": st.integers(schema.get("minimum"), schema.get("maximum")),
        "boolean": st.booleans(),
        "null": st.none(),
        "number": st.floats(allow_nan=False, allow_infinity=False),
    }
    return simple[kind]


def _texts(schema: Schema) -> st.SearchStrategy[str]:
    if "format" in schema:
        return _FORMATS[schema["format"]]
    if "pattern" in schema and "maxLength" not in schema:
        return st.from_regex(re.compile(schema["pattern"].removesuffix("$") + r"\Z"))
    longest = schema.get("maxLength", 20)
    return st.text(max_size=20) | st.integers(longest - 1, longest + 1).map(lambda n: "x" * n)


def _objects(schema: Schema) -> st.SearchStrategy[Any]:
    members = schema.get("properties", {})
    known = {name: values(one) for name, one in members.items() if one is not False}
    needed = {name: known[name] for name in schema.get("required", ())}
    optional = {name: one for name, one in known.items() if name not in needed}
    return st.fixed_dictionaries(needed, optional=optional)


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.IPv6Address(text).scope_id is None
    except ValueError:
        return False
