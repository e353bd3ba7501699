"""What `vip render` writes is taken by keepalived and netplan themselves."""

import subprocess
from pathlib import Path

import pytest
from tests.kernel.lab import run, wait_until
from tests.support.servers import Server, server


def rendered(host: Server, folder: Path, *arguments: str) -> Path:
    """Return the one file that was written."""
    said = host.must("vip", "render", "--interface", "eth0", "--out", str(folder), *arguments)
    return Path(said.strip())


@pytest.mark.covers("N28")
@pytest.mark.parametrize(
    "arguments",
    [
        ("--address", "10.0.0.100/24"),
        (
            "--address",
            "10.0.0.100/24",
            "--peers",
            "10.0.0.6",
            "10.0.0.7",
            "--own-address",
            "10.0.0.5",
        ),
        ("--address", "2001:db8::100/64", "--priority", "150", "--interval", "0.5", "--take-back"),
        ("--address", "10.0.0.100/24", "--announce-every", "30", "--router-id", "7"),
    ],
)
def test_keepalived_finds_no_fault_in_it(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with server(tmp_path, 1) as host:
        file = rendered(host, tmp_path / "out", *arguments)

        done = subprocess.run(
            (
                "nsenter",
                f"--net=/run/netns/{host.namespace}",
                "keepalived",
                "--config-test",
                f"--use-file={file}",
            ),
            capture_output=True,
            text=True,
            check=False,
        )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.covers("N28", "H62")
def test_two_members_speak_to_each_other_alone_and_one_holds_the_address(tmp_path: Path) -> None:
    with server(tmp_path, 1) as host:
        vip, running = "10.0.0.100/24", []
        members = {host.namespace: ("eth0", "10.0.0.5", "10.0.0.1"),
                   host.worlds[0]: ("wire", "10.0.0.1", "10.0.0.5")}  # fmt: skip
        try:
            for priority, (name, (link, own, peer)) in zip(
                (150, 100), members.items(), strict=True
            ):
                folder = tmp_path / link
                host.must("vip", "render", "--interface", link, "--address", vip, "--peers", peer,
                          "--own-address", own, "--priority", str(priority), "--interval", "0.2",
                          "--out", str(folder))  # fmt: skip
                running.append(keepalived(name, folder))

            wait_until(lambda: holders(members) == {host.namespace})
            running[0].terminate()
            wait_until(lambda: holders(members) == {host.worlds[0]})
        finally:
            for process in running:
                process.terminate()
                process.wait(10)


def keepalived(namespace: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start it in a namespace."""
    config = folder / "etc/keepalived/keepalived.conf"
    return subprocess.Popen(
        ("nsenter", f"--net=/run/netns/{namespace}", "keepalived", "--dont-fork", "--vrrp",
         f"--use-file={config}", f"--pid={folder}/pid", f"--vrrp_pid={folder}/vrrp.pid"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def holders(members: dict[str, tuple[str, str, str]]) -> set[str]:
    """Return the namespaces that have the virtual IP."""
    return {
        name
        for name, (link, _, _) in members.items()
        if "10.0.0.100/" in run("ip", "-n", name, "address", "show", "dev", link)
    }


@pytest.mark.covers("N28")
def test_netplan_takes_the_file_of_a_member_without_keepalived(tmp_path: Path) -> None:
    with server(tmp_path, 1) as host:
        rendered(host, tmp_path, "--address", "10.0.0.100/32", "--format", "netplan")

        done = subprocess.run(
            ("netplan", "generate", "--root-dir", str(tmp_path)),
            capture_output=True,
            text=True,
            check=True,
        )

    made = (tmp_path / "run/systemd/network/10-netplan-eth0.network").read_text()
    assert done.stderr == ""
    assert "Address=10.0.0.100/32\nPreferredLifetime=0" in made


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--priority", "255"), "--priority: from 1 to 254"),
        (("--router-id", "0"), "--router-id: from 1 to 255"),
        (("--peers", "fd00::1"), "--peers: addresses of another family than --address"),
        (("--peers", "10.0.0.5", "--own-address", "10.0.0.5"), "--peers: 10.0.0.5 is this member"),
    ],
)
def test_a_member_that_would_not_work_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    with server(tmp_path, 1) as host:
        done = host.guest(
            *("vip", "render", "--interface", "eth0", "--address", "10.0.0.100/24"), *arguments
        )

    assert done.returncode == 1
    assert done.stderr.startswith(f"portlight-guest: {said}")
