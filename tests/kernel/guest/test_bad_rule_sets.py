"""Whatever rule set is forced upon a server: its session lives, or is back when the timer ends."""

import json
import os
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kernel.lab import wait_until
from tests.support.bad_rules import bad_rule_set
from tests.support.guest_pair import ROOT, GuestPair, guest_pair

from portlight.guest.guard.clock import boottime

RULE_SETS = int(os.environ.get("PORTLIGHT_BAD_RULE_SETS", "10"))
SILENT = 0.1
"""A session that said nothing for so long, five times its pace, before the timer ended was cut."""
SECONDS = 0.8
"""Of each timer: enough for a rule set to be felt, if it is applied at once."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestPair]:
    with guest_pair(tmp_path_factory.mktemp("bad")) as made:
        yield made


class Session:
    """A TCP session that is asked fifty times a second, and when it answered."""

    def __init__(self, pair: GuestPair) -> None:
        program = str(ROOT / "tests/support/bad_rules.py")
        pair.start(pair.server, sys.executable, program, "serve")
        self._process = pair.start(pair.client, sys.executable, program, "feel")
        self.answers: list[float] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout
        self.answers.extend(float(line) for line in self._process.stdout)

    def first_after(self, moment: float) -> float:
        """Return when it answered first after a moment; wait for that."""
        wait_until(lambda: bool(self.answers) and self.answers[-1] >= moment)
        return next(at for at in self.answers if at >= moment)


@pytest.mark.covers("X11", "K50")
def test_a_session_is_back_within_a_second_after_the_timer(pair: GuestPair, tmp_path: Path) -> None:
    session = Session(pair)
    changer = pair.start(
        pair.server, sys.executable, str(ROOT / "tests/support/bad_rules.py"), "change"
    )
    assert changer.stdin
    assert changer.stdout
    wait_until(lambda: bool(session.answers))
    chance = random.Random(7)  # noqa: S311 -- not for secrets
    late: list[float] = []
    felt: list[bool] = []
    for _ in range(RULE_SETS):
        file = tmp_path / "rules"
        file.write_text(bad_rule_set(chance))
        changer.stdin.write(f"--confirm-within {SECONDS} {file}\n".encode())
        changer.stdin.flush()
        told = json.loads(changer.stdout.readline())
        # On a machine with much to do the timer may run out before the command ends.
        assert told["result"] in {"pending", "rolled back"}
        changer.stdout.readline()
        told_at = boottime()
        record = pair.state / "changes" / f"{told['change']:06}.json"
        deadline = json.loads(record.read_text())["deadline"]
        late.append(session.first_after(deadline) - deadline)
        # One that was applied only a moment before its time was over is no witness.
        if told_at < deadline - 2 * SILENT:
            answers = session.answers[-200:]
            felt.append(not any(deadline - SILENT <= at < deadline for at in answers))

    result = f"{sum(felt)} of {len(felt)} cut the session; back after {max(late):.3f} s"
    sys.stdout.write(f"{RULE_SETS} rule sets, {result}")
    assert sum(felt) >= len(felt) * 3 // 4, "the rule sets are bad ones"
    assert max(late) <= 1
    assert "DROP" not in "".join(pair.rules())
