"""The commands that ask: what they print, and their exit statuses."""

import json
from pathlib import Path

import pytest

from portlight.guest.entry import main

RULES = """\
*filter
:INPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp --dport 22 -j ACCEPT
-A INPUT -s 10.0.0.0/8 -p tcp --dport 22 -j DROP
COMMIT
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "rules"
    path.write_text(RULES)
    return str(path)


@pytest.mark.covers("K22")
def test_a_packet_is_told_its_rule_and_its_way(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["-i", "eth0", "-s", "203.0.113.9", "-p", "tcp", "--dport", "22"]

    assert main(["iptables", "test", "--file", file, *asked]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "ACCEPT by rule 2 of chain INPUT in table filter: -p tcp -m tcp --dport 22 -j ACCEPT",
        "  filter INPUT 2: -p tcp -m tcp --dport 22 -j ACCEPT",
    ]


def test_a_packet_that_is_dropped_is_a_fault(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["-i", "eth0", "-p", "tcp", "--dport", "80", "--json"]

    assert main(["iptables", "test", "--file", file, *asked]) == 1

    assert json.loads(capsys.readouterr().out)["rule"] is None


def test_what_was_not_said_is_named(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["iptables", "test", "--file", file, "--dport", "80"]) == 1

    assert capsys.readouterr().out.startswith("DEPENDS on the in-interface;")


def test_a_hidden_rule_is_named_with_the_one_that_hides_it(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["iptables", "lint", "--file", file]) == 1

    assert "INPUT 3 is never reached: rule 2 before it" in capsys.readouterr().out


def test_an_import_says_how_many_packets_were_compared(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["iptables", "import", file]) == 0

    said = capsys.readouterr().out
    assert "protocol=6 port_range_min=22 port_range_max=22" in said
    assert "2000 packets compared, 0 differences" in said


@pytest.mark.parametrize(
    ("words", "status"),
    [(["--file", "/nowhere"], 1), (["-s", "::1"], 2), (["--dport", "nope"], 2)],
)
def test_a_question_that_makes_no_sense_is_refused(
    words: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        found = main(["iptables", "test", *words])
    except SystemExit as error:
        found = int(str(error.code))

    assert found == status
    assert capsys.readouterr().err
