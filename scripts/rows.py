"""Print, for every requirement row that is due, the tests that prove it.

Reads `docs/requirements.toml` and the `covers` markers in the sources of the tests; imports and
runs none of them. `--strict` fails when a due row has no test.
"""

import argparse
import ast
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def due_rows(root: Path) -> dict[str, str]:
    """Return each row with its text, in the order of the file."""
    with (root / "docs" / "requirements.toml").open("rb") as file:
        rows: dict[str, str] = tomllib.load(file)["rows"]
    return rows


def covered_rows(source: str, marker: str = "covers") -> Iterator[tuple[str, str]]:
    """Yield (row, name of the test) for each such marker of a test file.

    A marker holds for the function or class that it decorates, or for the whole file as
    `pytestmark`.
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield from ((row, node.name) for row in _marked(node.decorator_list, marker))
            case ast.Assign(targets=[ast.Name(id="pytestmark")], value=value):
                yield from ((row, "(whole file)") for row in _marked([value], marker))
            case _:
                pass


def proofs(root: Path, marker: str = "covers") -> dict[str, list[str]]:
    """Return row -> `tests/suite/test_file.py::test`, over all test files.

    With another marker, what that one names instead of rows.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((root / "tests").rglob("test_*.py")):
        for row, name in covered_rows(path.read_text(), marker):
            found[row].append(f"{path.relative_to(root)}::{name}")
    return found


def main() -> int:
    """Print the table; return 1 when a row is cited that nobody knows, or --strict finds a gap."""
    parser = argparse.ArgumentParser(description="Which test proves which requirement.")
    parser.add_argument("--root", type=Path, default=ROOT, help="the project to look at")
    parser.add_argument("--strict", action="store_true", help="fail when a row has no test")
    arguments = parser.parse_args()
    rows, found = due_rows(arguments.root), proofs(arguments.root)
    for row, text in rows.items():
        print(f"{row:5} {text}")
        print("".join(f"        {test}\n" for test in found.get(row, ["no test yet"])), end="")
    return _summarise(rows, found, strict=arguments.strict)


def _summarise(rows: Mapping[str, str], found: Mapping[str, list[str]], *, strict: bool) -> int:
    missing = [row for row in rows if row not in found]
    unknown = sorted(found.keys() - rows.keys())
    print(f"\n{len(rows) - len(missing)} of {len(rows)} rows have a test.")
    if missing:
        print("Without: " + ", ".join(missing))
    if unknown:
        print("Cited, but not in docs/requirements.toml: " + ", ".join(unknown))
    return 1 if unknown or (strict and missing) else 0


def _marked(expressions: list[ast.expr], marker: str) -> Iterator[str]:
    for expression in expressions:
        for call in ast.walk(expression):
            match call:
                case ast.Call(func=ast.Attribute(attr=name), args=arguments) if name == marker:
                    yield from (
                        argument.value
                        for argument in arguments
                        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
                    )
                case _:
                    pass


if __name__ == "__main__":
    sys.exit(main())
