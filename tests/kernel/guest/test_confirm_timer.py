"""A change that nobody confirms is taken back, whatever happens to whoever made it."""

import subprocess
import time
from pathlib import Path

import pytest
from tests.kernel.lab import run, wait_until
from tests.support.changes import Bench

from portlight.guest.guard.clock import boottime
from portlight.guest.guard.confirm import applying, confirm, pending, rearm, rollback
from portlight.guest.guard.journal import Change, ChangeId, State
from portlight.guest.guard.rollback import ChangeError

SHORT = 1.0
LONG = 60.0
_JUMPING_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <unistd.h>
#include <stdlib.h>
int clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*real)(clockid_t, struct timespec *);
	if (!real)
		real = dlsym(RTLD_NEXT, "clock_gettime");
	int status = real(clock, now);
	if (clock == CLOCK_REALTIME && !access(getenv("JUMP_FILE"), F_OK))
		now->tv_sec -= 86400;
	return status;
}
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def await_rollback(bench: Bench, change: ChangeId) -> float:
    """Return how many seconds after its deadline a change was taken back."""
    wait_until(lambda: bench.target.read_text() == "", seconds=20)
    return boottime() - bench.journal.load(change).deadline


@pytest.mark.covers("X11")
def test_a_change_is_taken_back_within_a_second_although_its_author_is_gone(bench: Bench) -> None:
    change = bench.begin(SHORT)
    assert bench.target.read_text() == "x"

    late = await_rollback(bench, change)

    assert 0 <= late < 1
    wait_until(lambda: bench.journal.load(change).state is State.ROLLED_BACK)
    wait_until(lambda: not bench.watchers(change))


@pytest.mark.covers("X11")
def test_a_confirmed_change_stays_and_is_kept_for_the_next_start(bench: Bench) -> None:
    change = bench.begin(SHORT)

    confirm(change, folder=bench.folder)

    time.sleep(SHORT + 0.5)
    assert bench.target.read_text() == "x"
    assert bench.kept.read_text() == "x"
    assert pending(folder=bench.folder) == ()
    with pytest.raises(ChangeError, match="confirmed already"):
        rollback(change, folder=bench.folder)


@pytest.mark.covers("X11")
def test_a_killed_watcher_is_replaced_by_the_other_again_and_again(bench: Bench) -> None:
    change = bench.begin(3)
    assert rearm(folder=bench.folder) == (), "it is watched"
    for _ in range(6):
        wait_until(lambda: len(bench.watchers(change)) == 2, seconds=3)
        bench.kill(min(bench.watchers(change)))

    late = await_rollback(bench, change)

    assert 0 <= late < 1


def test_the_next_command_finds_a_change_whose_watchers_were_killed_at_once(bench: Bench) -> None:
    change = bench.begin(SHORT)
    first, second = bench.watchers(change)
    run("kill", "-STOP", str(first), str(second))
    run("kill", "-KILL", str(first), str(second))
    wait_until(lambda: not bench.watchers(change))

    touched = rearm(folder=bench.folder)

    assert [one.id for one in touched] == [change]
    assert await_rollback(bench, change) < 1


@pytest.mark.covers("X11")
def test_a_clock_that_is_set_back_a_day_delays_nothing(tmp_path: Path) -> None:
    library, jump = tmp_path / "clock.so", tmp_path / "jump"
    command = ("gcc", "-shared", "-fPIC", "-x", "c", "-o", str(library), "-", "-ldl")
    subprocess.run(command, input=_JUMPING_CLOCK, text=True, check=True)
    bench = Bench(tmp_path, {"LD_PRELOAD": str(library), "JUMP_FILE": str(jump)})
    change = bench.begin(SHORT)

    jump.touch()

    assert 0 <= await_rollback(bench, change) < 1
    wait_until(lambda: bench.journal.load(change).state is State.ROLLED_BACK)
    ended = bench.journal.load(change)
    assert ended.ended_at < ended.at, "the clock did jump"


@pytest.mark.covers("X11")
def test_changes_of_a_kind_go_back_together_the_newest_first(bench: Bench) -> None:
    oldest, other, newest = bench.begin(LONG), bench.begin(LONG, "routes"), bench.begin(LONG)
    assert bench.target.read_text() == "xxx"

    gone = rollback(oldest, folder=bench.folder)

    assert [one.id for one in gone] == [newest, oldest]
    assert bench.target.read_text() == ""
    assert [one.id for one in pending(folder=bench.folder)] == [other]
    rollback(other, folder=bench.folder)


@pytest.mark.covers("X11")
def test_confirming_a_change_confirms_what_it_stands_on(bench: Bench) -> None:
    oldest, newest = bench.begin(LONG), bench.begin(LONG)

    kept = confirm(newest, folder=bench.folder)

    assert [one.id for one in kept] == [oldest, newest]
    assert bench.kept.read_text() == "xx"


def test_a_change_from_before_a_restart_is_over_and_runs_nothing(bench: Bench) -> None:
    change = bench.begin(SHORT)
    for watcher in bench.watchers(change):
        run("kill", "-STOP", str(watcher))
    path = bench.journal.path(change)
    path.write_text(path.read_text().replace('"boot": "', '"boot": "earlier-'))
    for watcher in bench.watchers(change):
        bench.kill(watcher)
    wait_until(lambda: not bench.watchers(change))

    (over,) = rearm(folder=bench.folder)

    assert (over.state, over.note) == (State.ROLLED_BACK, "the server restarted")
    assert bench.target.read_text() == "x"


def test_nothing_begins_when_it_cannot_be_written_down(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")

    change = Change(kind="firewall", summary="none", undo=())

    with (
        pytest.raises(OSError, match="state"),
        applying(lambda: change, folder=tmp_path / "state"),
    ):
        pytest.fail("it was applied")
