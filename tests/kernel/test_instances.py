"""The driver of instances on a real kernel."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kernel.lab import inside, private_names, run, wait_until

from portlight.dataplane.instances.driver import InstanceDriver
from portlight.dataplane.instances.values import Guest
from portlight.dataplane.names import HostNames
from portlight.plan.delta import delta
from portlight.values.ids import InstanceId

WEB = InstanceId("0000beef-0000-4000-8000-000000000001")
DB = InstanceId("0000cafe-0000-4000-8000-000000000002")


def a_guest(hostname: str = "web", *, running: bool = True, boot: int = 1) -> Guest:
    return Guest(hostname=hostname, running=running, boot=boot)


@pytest.fixture
def names() -> Iterator[HostNames]:
    with private_names() as made:
        try:
            yield made
        finally:
            driver = InstanceDriver(made)
            driver.apply(delta({}, driver.read()))


def converge(names: HostNames, wanted: dict[InstanceId, Guest]) -> None:
    driver = InstanceDriver(names)
    assert driver.apply(delta(wanted, driver.read())) == {}
    assert driver.read() == wanted


def init_of(names: HostNames, instance: InstanceId) -> int:
    pid = InstanceDriver(names).states()[instance].init_pid
    assert pid is not None
    return pid


def in_guest(names: HostNames, instance: InstanceId, *command: str) -> str:
    return run("nsenter", "-t", str(init_of(names, instance)), "-n", "-p", "-m", "-u", *command)


def test_a_guest_has_a_name_and_processes_of_its_own(names: HostNames) -> None:
    converge(names, {WEB: a_guest("web"), DB: a_guest("db")})

    assert in_guest(names, WEB, "hostname").strip() == "web"
    assert in_guest(names, DB, "cat", "/etc/hostname").strip() == "db"
    assert "tini" in in_guest(names, WEB, "ps", "-p", "1", "-o", "args=")
    assert "sshd" not in in_guest(names, WEB, "ps", "ax")


def test_names_servers_and_runtime_files_of_a_guest_are_private(names: HostNames) -> None:
    before = Path("/etc/resolv.conf").read_text()
    converge(names, {WEB: a_guest()})

    in_guest(names, WEB, "sh", "-c", "echo nameserver 192.0.2.1 > /etc/resolv.conf; :> /run/here")

    assert Path("/etc/resolv.conf").read_text() == before
    assert not Path("/run/here").exists()


def test_a_reboot_ends_every_process_and_starts_clean(names: HostNames) -> None:
    converge(names, {WEB: a_guest()})
    first = init_of(names, WEB)
    in_guest(names, WEB, "sh", "-c", "setsid sleep 987654 >/dev/null 2>&1 &")
    in_guest(names, WEB, "ip", "link", "add", "made0", "type", "bridge")

    converge(names, {WEB: a_guest(boot=2)})

    assert init_of(names, WEB) != first
    assert "987654" not in in_guest(names, WEB, "ps", "ax")
    assert "made0" not in in_guest(names, WEB, "ip", "link")


def test_a_stopped_guest_has_no_processes_and_starts_again(names: HostNames) -> None:
    converge(names, {WEB: a_guest()})

    converge(names, {WEB: a_guest(running=False)})

    assert InstanceDriver(names).states()[WEB].init_pid is None
    converge(names, {WEB: a_guest()})
    assert in_guest(names, WEB, "hostname").strip() == "web"


def test_a_fresh_agent_adopts_a_running_guest(names: HostNames) -> None:
    converge(names, {WEB: a_guest()})
    first = init_of(names, WEB)

    converge(names, {WEB: a_guest()})

    assert init_of(names, WEB) == first


def test_a_killed_init_is_started_again(names: HostNames) -> None:
    converge(names, {WEB: a_guest()})
    first = init_of(names, WEB)

    os.kill(first, signal.SIGKILL)

    wait_until(lambda: not InstanceDriver(names).read()[WEB].running)
    converge(names, {WEB: a_guest()})
    assert init_of(names, WEB) != first


def test_a_removed_name_is_given_back_to_the_running_guest(names: HostNames) -> None:
    converge(names, {WEB: a_guest()})
    first = init_of(names, WEB)
    in_guest(names, WEB, "ip", "link", "add", "made0", "type", "bridge")
    run("ip", "netns", "delete", names.instance(WEB))

    assert not InstanceDriver(names).read()[WEB].intact

    converge(names, {WEB: a_guest()})
    assert init_of(names, WEB) == first
    assert "made0" in inside(names.instance(WEB), "ip", "link")


def test_a_second_init_cannot_be_started(names: HostNames) -> None:
    converge(names, {WEB: a_guest()})
    (names.instance_folder(WEB) / "init").rename(names.instance_folder(WEB) / "hidden")

    with pytest.raises(AssertionError):
        run("flock", "-n", str(names.instance_folder(WEB) / "lock"), "true")

    (names.instance_folder(WEB) / "hidden").rename(names.instance_folder(WEB) / "init")


def test_two_instances_with_one_short_name_are_refused_and_the_first_goes_on(
    names: HostNames,
) -> None:
    converge(names, {WEB: a_guest()})
    other = InstanceId(WEB[:8] + "-0000-4000-8000-00000000ffff")
    driver = InstanceDriver(names)

    failures = driver.apply(delta({WEB: a_guest(), other: a_guest("other")}, driver.read()))

    assert isinstance(failures[other], FileExistsError)
    assert driver.read() == {WEB: a_guest()}


def test_a_removed_guest_leaves_nothing(names: HostNames) -> None:
    converge(names, {WEB: a_guest()})
    first = init_of(names, WEB)

    converge(names, {})

    assert not Path(f"/proc/{first}").exists()
    assert not (Path("/run/netns") / names.instance(WEB)).exists()
    assert not names.instance_folder(WEB).exists()
    assert not names.kept_folder(WEB).exists()
    assert str(names.folder) not in Path("/proc/mounts").read_text()


KEPT = "/var/lib/portlight-guest"
SLOW_RULES = "sleep 0.5; iptables -w -A INPUT -p tcp --dport 80 -j DROP"
"""What a guest asks for at boot; slow, so that whoever does not wait for it is seen."""


def cut_power(names: HostNames) -> None:
    """Leave what a restart of this machine leaves: the state folder."""
    assert InstanceDriver(names).end_all() == {}
    shutil.rmtree(names.folder)
    names.folder.mkdir()


@pytest.mark.covers("K59")
def test_what_a_guest_keeps_outlives_the_power_and_stands_before_its_cables_carry_a_packet(
    names: HostNames,
) -> None:
    converge(names, {WEB: a_guest(), DB: a_guest("db")})
    in_guest(names, WEB, "sh", "-c", f"echo '{SLOW_RULES}' >{KEPT}/restore.sh")
    cut_power(names)
    assert InstanceDriver(names).read().keys() == {WEB, DB}

    # Gates are opened once this has returned.
    converge(names, {WEB: a_guest(), DB: a_guest("db")})

    assert "--dport 80 -j DROP" in in_guest(names, WEB, "iptables", "-S")
    assert "--dport 80" not in in_guest(names, DB, "iptables", "-S")
    assert in_guest(names, DB, "ls", KEPT) == ""
    assert names.kept_folder(WEB).stat().st_mode & 0o777 == 0o700


def test_what_an_instance_kept_goes_although_it_was_deleted_without_power(
    names: HostNames,
) -> None:
    converge(names, {WEB: a_guest(), DB: a_guest("db")})
    cut_power(names)
    stranger = names.kept_folders / "Notes of the operator"
    stranger.touch()

    converge(names, {DB: a_guest("db")})

    assert not names.kept_folder(WEB).exists()
    assert names.kept_folder(DB).exists()
    assert stranger.exists()


def test_removing_what_a_lost_instance_kept_ends_nobody_of_the_same_short_name(
    names: HostNames,
) -> None:
    lost = InstanceId(WEB[:8] + "-0000-4000-8000-00000000ffff")
    names.kept_folder(lost).mkdir(parents=True)
    assert InstanceDriver(names).apply(delta({WEB: a_guest()}, {})) == {}
    first = init_of(names, WEB)

    converge(names, {WEB: a_guest()})

    assert init_of(names, WEB) == first
    assert not names.kept_folder(lost).exists()


@pytest.mark.covers("K59")
def test_ending_a_deployment_leaves_what_its_guests_keep(names: HostNames) -> None:
    converge(names, {WEB: a_guest()})

    assert InstanceDriver(names).end_all() == {}

    assert not (Path("/run/netns") / names.instance(WEB)).exists()
    assert names.kept_folder(WEB).exists()
