"""Render docs/api/compatibility.md from the table beside it.

Which test goes through an extension is read from the `extension` markers in the sources of the
tests. `--check` fails when the page is not what the table says, when an extension is advertised
that no test goes through, and when a marker names one that is not advertised.
"""

import argparse
import sys
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path

from scripts.rows import proofs

from portlight.api.neutron.extensions import ADVERTISED

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "api" / "compatibility.toml"
PAGE = TABLE.with_suffix(".md")
MARKER = "extension"


def page() -> str:
    """Return the page."""
    return "\n".join(_lines(tomllib.loads(TABLE.read_text()))) + "\n"


def gaps(advertised: Collection[str], proven: Collection[str]) -> list[str]:
    """Return what is wrong between the extensions that are advertised and those with a test."""
    return [
        *(f"{alias}: advertised without a test" for alias in sorted(set(advertised) - set(proven))),
        *(f"{alias}: tested, not advertised" for alias in sorted(set(proven) - set(advertised))),
    ]


def _lines(table: dict[str, list[dict[str, str]]]) -> Iterator[str]:
    yield "# What is as in Neutron, and what is not"
    yield ""
    yield "Rendered by `make compatibility` from `compatibility.toml`. Every row is compared with"
    yield "recorded answers of a real Neutron (29.0) by `tests/compat/test_neutron_answers.py`."
    yield ""
    yield "## Extensions that are advertised"
    yield ""
    yield "Each with the tests that go through it; without one it must not be advertised."
    yield ""
    yield "| Alias | What works | Proven by |"
    yield "|---|---|---|"
    tests = proofs(ROOT, MARKER)
    for alias, what in sorted(ADVERTISED.items()):
        yield f"| `{alias}` | {what} | {'<br>'.join(_test(one) for one in tests.get(alias, []))} |"
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


def _test(proof: str) -> str:
    """Return the suite and the sentence of `tests/suite/test_file.py::test_a_thing_happens`."""
    path, _, name = proof.partition("::")
    return f"{Path(path).parts[1]}: {name.removeprefix('test_').replace('_', ' ')}"


def main() -> None:
    """Write the page, or check it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true")
    if not arguments.parse_args().check:
        PAGE.write_text(page())
        return
    wrong = gaps(ADVERTISED, proofs(ROOT, MARKER))
    if wrong:
        sys.exit("\n".join(wrong))
    if PAGE.read_text() != page():
        sys.exit(f"{PAGE.name} is not what {TABLE.name} says: make compatibility")


if __name__ == "__main__":
    main()
