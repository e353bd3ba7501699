"""The table of `make rows` speaks the truth about the tests."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROVEN = """
import pytest

@pytest.mark.covers("A1", "A2")
def test_a_packet_arrives() -> None: ...
"""


def rows(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "rows.py", "--root", root, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def a_project(root: Path, *due: str) -> Path:
    (root / "docs").mkdir()
    (root / "docs" / "requirements.toml").write_text(
        "[rows]\n" + "".join(f'{row} = "text"\n' for row in due)
    )
    (root / "tests" / "unit").mkdir(parents=True)
    (root / "tests" / "unit" / "test_packets.py").write_text(PROVEN)
    return root


def test_every_row_that_a_test_cites_is_known() -> None:
    outcome = rows(ROOT)

    assert outcome.returncode == 0, outcome.stdout


def test_a_row_is_shown_with_the_test_that_proves_it(tmp_path: Path) -> None:
    outcome = rows(a_project(tmp_path, "A1", "A2"), "--strict")

    assert outcome.returncode == 0
    assert outcome.stdout.count("tests/unit/test_packets.py::test_a_packet_arrives") == 2


def test_a_row_without_a_test_is_named(tmp_path: Path) -> None:
    outcome = rows(a_project(tmp_path, "A1", "A2", "A3"), "--strict")

    assert outcome.returncode == 1
    assert "Without: A3" in outcome.stdout


def test_a_cited_row_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    outcome = rows(a_project(tmp_path, "A1"))

    assert outcome.returncode == 1
    assert "Cited, but not in docs/requirements.toml: A2" in outcome.stdout
