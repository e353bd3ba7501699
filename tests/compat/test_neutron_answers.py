"""Requests, good and bad, are answered as a real Neutron did, but for what is meant otherwise.

The scripts and the recorded answers are in `neutron/`; `scripts/record_answers.py` records them.
What is meant otherwise has a row, with its reason, in `docs/api/compatibility.toml`.
"""

from collections.abc import Iterator

import pytest
from tests.support.api_server import ApiServer
from tests.support.difference import COMPATIBILITY, Deliberate, Gap, deliberate_differences
from tests.support.neutron_answers import SCRIPTS, OurServer, gaps_of

_SHOWN = 20


@pytest.fixture(scope="module")
def rows() -> list[Deliberate]:
    return deliberate_differences()


@pytest.fixture(scope="module")
def gaps(server: ApiServer) -> list[tuple[Gap, str]]:
    endpoint = OurServer(server)
    found = [gap for script in sorted(SCRIPTS.glob("*.txt")) for gap in gaps_of(script, endpoint)]
    endpoint.http.close()
    return found


def unexplained(gaps: list[tuple[Gap, str]], rows: list[Deliberate]) -> Iterator[str]:
    for gap, message in gaps:
        if not any(row.covers(gap) for row in rows):
            yield f"{gap}   {message}"


@pytest.mark.covers("N1", "N2", "N17", "H66")
def test_answers_are_those_of_neutron_or_differ_on_purpose(
    gaps: list[tuple[Gap, str]], rows: list[Deliberate]
) -> None:
    found = list(unexplained(gaps, rows))

    assert not found, f"{len(found)} differences without a row:\n" + "\n".join(found[:_SHOWN])


def test_every_row_of_the_table_explains_something(
    gaps: list[tuple[Gap, str]], rows: list[Deliberate]
) -> None:
    idle = [row.name for row in rows if not any(row.covers(gap) for gap, _ in gaps)]

    assert not idle, f"{COMPATIBILITY.name}: nothing differs any more in {idle}"
