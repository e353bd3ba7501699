"""The tables of the faces, found where they are defined: a new kind needs no list of its own."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import portlight.api
from portlight.api.parser import Parse, Parser
from portlight.api.resource import Resource


def modules() -> Iterator[ModuleType]:
    """Yield the modules of the faces."""
    for found in pkgutil.walk_packages(portlight.api.__path__, "portlight.api."):
        yield importlib.import_module(found.name)


def all_parsers() -> dict[str, Parse]:
    """Return the parsers of every attribute, and those that modules hold by name."""
    parsers: dict[str, Parse] = {}
    for module in modules():
        for name, value in vars(module).items():
            if isinstance(value, Resource):
                parsers |= {
                    f"{value.plural}.{attribute}": one.parse
                    for attribute, one in value.attributes.items()
                    if one.parse is not None
                }
            elif isinstance(value, Parser):
                parsers[f"{module.__name__.removeprefix('portlight.api.')}.{name}"] = value
    # the same parser under many names needs one test
    return {name: parse for name, parse in parsers.items() if _is_first(name, parse, parsers)}


def _is_first(name: str, parse: Parse, parsers: dict[str, Parse]) -> bool:
    return name == min(other for other, one in parsers.items() if one is parse)
