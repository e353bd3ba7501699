"""Render docs/api/compatibility.md from the table beside it.

`--check` fails when the page is not what the table says.
"""

import argparse
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from portlight.api.neutron.extensions import ADVERTISED

TABLE = Path(__file__).resolve().parent.parent / "docs" / "api" / "compatibility.toml"
PAGE = TABLE.with_suffix(".md")


def page() -> str:
    """Return the page."""
    return "\n".join(_lines(tomllib.loads(TABLE.read_text()))) + "\n"


def _lines(table: dict[str, list[dict[str, str]]]) -> Iterator[str]:
    yield "# What is as in Neutron, and what is not"
    yield ""
    yield "Rendered by `make compatibility` from `compatibility.toml`. Every row is compared with"
    yield "recorded answers of a real Neutron (29.0) by `tests/compat/test_neutron_answers.py`."
    yield ""
    yield "## Extensions that are advertised"
    yield ""
    yield "| Alias | What works |"
    yield "|---|---|"
    yield from (f"| `{alias}` | {what} |" for alias, what in sorted(ADVERTISED.items()))
    yield ""
    yield "## Extensions that are not"
    yield ""
    yield "| Alias | Why |"
    yield "|---|---|"
    yield from (f"| {one['alias']} | {one['why']} |" for one in table["absent"])
    yield ""
    yield "## Differences"
    yield ""
    yield "| What | How it is here, and why |"
    yield "|---|---|"
    yield from (f"| {one['name']} | {one['why']} |" for one in table["difference"])


def main() -> None:
    """Write the page, or check it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true")
    if not arguments.parse_args().check:
        PAGE.write_text(page())
    elif PAGE.read_text() != page():
        sys.exit(f"{PAGE.name} is not what {TABLE.name} says: make compatibility")


if __name__ == "__main__":
    main()
