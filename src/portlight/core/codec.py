"""Entities as JSON: the form in which the store keeps them and the agent receives them.

Pure. This is our own form; the wire spellings of the faces live in `api/`.
"""

from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any, TypeVar

import msgspec

from portlight.values.addresses import IpAddress, IpPrefix

T = TypeVar("T")

_TEXT_TYPES = (IPv4Address, IPv6Address, IPv4Network, IPv6Network)


def _to_builtin(value: Any) -> Any:  # noqa: ANN401 -- msgspec's hook takes anything
    if isinstance(value, _TEXT_TYPES):
        return str(value)
    raise NotImplementedError(f"no JSON form for {type(value).__name__}")


def _from_builtin(kind: Any, value: Any) -> Any:  # noqa: ANN401 -- msgspec's hook takes anything
    if kind is IpAddress:
        return ip_address(value)
    if kind is IpPrefix:
        return _prefix(value)
    if kind in _TEXT_TYPES:
        return kind(value)
    raise NotImplementedError(f"no value of {kind} from JSON")


@lru_cache(maxsize=1 << 16)
def _prefix(text: str) -> IpPrefix:
    """Read a prefix. A large address group comes again with each change, nearly the same."""
    return ip_network(text)


_ENCODER = msgspec.json.Encoder(enc_hook=_to_builtin)


def encode_entity(entity: object) -> bytes:
    """Return the JSON of an entity, or of a container of entities."""
    return _ENCODER.encode(entity)


def decode_entity(kind: type[T], raw: bytes | memoryview) -> T:
    """Return the entity in `raw`; raise msgspec.ValidationError when it is none."""
    return msgspec.json.decode(raw, type=kind, dec_hook=_from_builtin)
