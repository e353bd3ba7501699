"""The page about Neutron is what its table says, and every extension has a test."""

import subprocess
import sys
from pathlib import Path

from scripts.compatibility import gaps

ROOT = Path(__file__).parents[2]


def test_the_page_is_rendered_from_the_table_and_every_extension_on_it_has_a_test() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.compatibility", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_an_extension_without_a_test_and_a_test_without_its_extension_are_named() -> None:
    assert gaps({"a", "b"}, {"b", "c"}) == [
        "a: advertised without a test",
        "c: tested, not advertised",
    ]
