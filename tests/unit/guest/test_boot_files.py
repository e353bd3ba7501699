"""What systemd starts with a server: units, how they are enabled, and how they are removed."""

import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlight.guest.guard import boot, orders
from portlight.guest.guard.journal import DEFAULT_FOLDER, KeptFile
from portlight.guest.guard.orders import Orders, forget_orders, load_orders, save_orders
from portlight.guest.guard.pipeline import Policy
from portlight.guest.guard.units import exec_start, own_command, remove_files, tool_words
from portlight.guest.routes import boot as routes_boot

TOOL = ("/usr/bin/python3", "/opt/my tools/portlight-guest.pyz")
SYSTEM = "/etc/systemd/system"


def all_files(folder: Path, systemd: Path) -> dict[str, tuple[KeptFile, ...]]:
    """Return the files of every unit of ours, by its name."""
    return {
        boot.UNIT: boot.boot_files(folder, systemd),
        routes_boot.UNIT: routes_boot.boot_files(folder, systemd, TOOL),
        orders.UNIT: orders.boot_files(folder, systemd, TOOL),
    }


@pytest.mark.covers("K59")
def test_every_unit_is_readable_by_all_and_enabled_as_systemctl_would(tmp_path: Path) -> None:
    for name, (unit, wanted) in all_files(DEFAULT_FOLDER, tmp_path).items():
        assert (unit.path, unit.mode) == (f"{SYSTEM}/{name}", 0o644)
        target = unit.text.splitlines()[-1].removeprefix("WantedBy=")
        assert wanted.path == f"{SYSTEM}/{target}.wants/{name}"
        assert wanted.links_to == unit.path


def test_what_starts_by_itself_gets_no_unit(tmp_path: Path) -> None:
    for folder, systemd in ((tmp_path, tmp_path), (DEFAULT_FOLDER, tmp_path / "none")):
        assert set(all_files(folder, systemd).values()) == {()}


@pytest.mark.covers("K59", "X16")
def test_rules_come_before_the_network_routes_after_it_and_bans_after_the_rules(
    tmp_path: Path,
) -> None:
    rules, routes, bans = (unit.text for unit, _ in all_files(DEFAULT_FOLDER, tmp_path).values())

    assert "\nBefore=network-pre.target" in rules
    assert "\nAfter=network-online.target\n" in routes
    assert f"\nAfter={boot.UNIT}\n" in bans
    tool = '"/usr/bin/python3" "/opt/my tools/portlight-guest.pyz"'
    assert f"\nExecStart={tool} routes restore --follow\n" in routes
    assert f"\nExecStart={tool} sshguard run\n" in bans


@pytest.mark.covers("X16")
def test_what_is_confirmed_is_followed_at_once_and_however_often_it_failed(tmp_path: Path) -> None:
    files = all_files(DEFAULT_FOLDER, tmp_path)[routes_boot.UNIT]

    assert "\nStartLimitIntervalSec=0\n" in files[0].text.partition("[Service]")[0]
    last = routes_boot.boot_steps(files)[-1]
    assert last.argv == ("systemctl", "--no-block", "restart", routes_boot.UNIT)
    assert routes_boot.boot_steps(()) == ()


@given(words=st.lists(st.text(st.sampled_from("a b'\"\\%$")), min_size=1))
def test_a_command_reaches_systemd_word_by_word(words: list[str]) -> None:
    # Quoting is that of shells, but for what systemd itself would put in the place of % and $.
    said = exec_start(words).replace("%%", "%").replace("$$", "$")

    assert shlex.split(said) == words


def test_the_tool_is_started_again_as_it_was_started(tmp_path: Path) -> None:
    file = tmp_path / "portlight-guest.pyz"
    assert tool_words("/python", str(file), "a.b") == ("/python", "-m", "a.b")

    file.touch()

    assert tool_words("/python", str(file), "a.b") == ("/python", str(file))
    # Not from an archive, this program is a package of its Python; no copy is made.
    assert own_command(tmp_path) == (sys.executable, "-m", "portlight.guest.entry")
    assert list(tmp_path.iterdir()) == [file]


def test_files_of_a_unit_come_and_go_whole(tmp_path: Path) -> None:
    unit = KeptFile(path=str(tmp_path / "a/one.service"), text="[Unit]\n", mode=0o644)
    link = KeptFile(path=str(tmp_path / "b/one.service"), links_to=unit.path)
    for file in (unit, link, unit, link):
        file.write()

    assert Path(link.path).read_text() == "[Unit]\n"
    assert Path(unit.path).stat().st_mode & 0o777 == 0o644

    for _ in range(2):
        remove_files((unit, link))
    assert [one for one in tmp_path.rglob("*") if not one.is_dir()] == []


@pytest.mark.covers("X22")
def test_orders_are_kept_until_they_are_forgotten(tmp_path: Path) -> None:
    assert load_orders(tmp_path) is None
    given_orders = Orders(
        log="/var/log/auth.log",
        policy=Policy(threshold=20, block_seconds=7),
        backend="legacy",
        spare=("192.0.2.7/32", "2001:db8::/64"),
    )

    save_orders(tmp_path, given_orders)

    assert load_orders(tmp_path) == given_orders
    forget_orders(tmp_path)
    forget_orders(tmp_path)
    assert load_orders(tmp_path) is None
