"""A change that nobody confirms is taken back, whatever happens to whoever made it."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    change = bench.begin(4)
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


@pytest.mark.covers("X11")
def test_a_rollback_that_fails_is_tried_again_until_it_works(bench: Bench) -> None:
    works = bench.folder / "works"
    change = bench.begin(LONG, needs=works)

    with pytest.raises(ChangeError, match="tried again until it works"):
        rollback(change, folder=bench.folder)

    wait_until(lambda: len(bench.watchers(change)) == 2)
    with pytest.raises(ChangeError, match="change 1 is rollback failed already"):
        confirm(change, folder=bench.folder)
    with pytest.raises(ChangeError, match="change 1 is being taken back"), _another(bench):
        pytest.fail("it was applied")
    assert bench.target.read_text() == "x"
    works.touch()
    wait_until(lambda: bench.target.read_text() == "", seconds=20)
    wait_until(lambda: bench.journal.load(change).state is State.ROLLED_BACK)
    wait_until(lambda: not bench.watchers(change))


@pytest.mark.covers("X11")
def test_a_rollback_that_failed_is_taken_up_by_the_next_command(bench: Bench) -> None:
    works = bench.folder / "works"
    change = bench.begin(LONG, needs=works)
    watchers = bench.watchers(change)
    run("kill", "-STOP", *map(str, watchers))
    with pytest.raises(ChangeError):
        rollback(change, folder=bench.folder)
    run("kill", "-KILL", *map(str, watchers))
    wait_until(lambda: not bench.watchers(change))
    works.touch()

    touched = rearm(folder=bench.folder)

    assert [one.id for one in touched] == [change]
    wait_until(lambda: bench.target.read_text() == "")


@pytest.mark.covers("X11")
def test_what_stands_on_a_change_that_cannot_go_back_does_not_bring_it_to_life_again(
    bench: Bench,
) -> None:
    works = bench.folder / "works"
    oldest, newest = bench.begin(LONG), bench.begin(LONG, needs=works)

    with pytest.raises(ChangeError):
        rollback(oldest, folder=bench.folder)
    assert bench.target.read_text() == "", "what can go back is back at once"

    works.touch()
    wait_until(lambda: pending(folder=bench.folder) == ())
    assert bench.target.read_text() == ""
    assert bench.journal.load(newest).state is State.ROLLED_BACK


@pytest.mark.covers("K59")
def test_a_change_whose_maker_was_killed_half_way_is_taken_back_and_never_kept(
    bench: Bench,
) -> None:
    change = bench.begin(LONG, dies=True)

    with pytest.raises(ChangeError, match="interrupted while it was applied"):
        confirm(change, folder=bench.folder)

    rollback(change, folder=bench.folder)
    assert bench.target.read_text() == ""
    assert not bench.kept.exists()


@contextmanager
def _another(bench: Bench) -> Iterator[None]:
    change = Change(kind="firewall", summary="none", undo=())
    with applying(lambda: change, folder=bench.folder):
        yield


def test_nothing_begins_when_it_cannot_be_written_down(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")

    change = Change(kind="firewall", summary="none", undo=())

    with (
        pytest.raises(OSError, match="state"),
        applying(lambda: change, folder=tmp_path / "state"),
    ):
        pytest.fail("it was applied")
