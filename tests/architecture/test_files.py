"""What is in the repository: sizes, words that must not be there, documents that must."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("*.py", "*.c", "*.h", "scripts/*", "Makefile", "bpf/Makefile", ".ci/run")
DOCUMENTS = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "docs/design/packet-path.md",
    "docs/requirements.toml",
)
USUAL_LINES = 400
MOST_LINES = 600
LONGER_THAN_USUAL = 5
"""How many files may pass the usual length; none passes the other."""


def tracked(*patterns: str) -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def test_no_source_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in tracked(*SOURCES)}

    long = {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > USUAL_LINES}

    assert all(lines <= MOST_LINES for lines in long.values()), long
    assert len(long) <= LONGER_THAN_USUAL, long


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_that_others_point_at_is_there(name: str) -> None:
    assert (ROOT / name).stat().st_size > 0


def test_links_between_documents_lead_somewhere() -> None:
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in tracked("*.md")
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())
        if not (page.parent / target).exists()
    ]

    assert dead == []


def test_decision_records_are_numbered_without_gap_and_say_how_they_stand() -> None:
    records = tracked("docs/adr/*.md")

    numbers = [int(path.name.split("-")[0]) for path in records]

    assert numbers == list(range(1, len(records) + 1))
    for record in records:
        assert re.search(
            r"^Status: (accepted|superseded by \d{4})", record.read_text(), re.MULTILINE
        ), record


def test_no_file_names_a_folder_of_one_persons_machine() -> None:
    # Built from parts, so that this file does not find itself.
    private = re.compile("|".join(("/" + "work/", "/" + "home/[a-z]", "/" + "root/")))

    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in tracked()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if private.search(line)
    ]

    assert found == []


def test_tests_neither_skip_nor_replace_parts() -> None:
    # Built from parts, so that this file does not find itself.
    skipping = ("pytest.sk" + "ip", "mark.sk" + "ip", "xf" + "ail", "import" + "orskip")
    words = (*skipping, "unittest.mo" + "ck", "monkey" + "patch")
    pattern = re.compile("|".join(map(re.escape, words)))

    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in tracked("tests/*.py")
        for word in pattern.findall(path.read_text())
    ]

    assert found == []


def test_no_source_leaves_work_for_later_without_a_number() -> None:
    later = re.compile("(?:TO" + "DO|FIX" + r"ME)(?!\(#\d+\))")

    found = [
        str(path.relative_to(ROOT)) for path in tracked(*SOURCES) if later.search(path.read_text())
    ]

    assert found == []


def test_shell_scripts_stop_at_the_first_error() -> None:
    scripts = [path for path in tracked("scripts/*", ".ci/*") if is_bash(path)]

    careless = [path.name for path in scripts if "set -euo pipefail" not in path.read_text()]

    assert scripts
    assert careless == []


def is_bash(path: Path) -> bool:
    return path.read_text().startswith("#!/bin/bash")
