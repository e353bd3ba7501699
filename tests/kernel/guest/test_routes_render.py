"""The tools themselves take what `routes render` writes, and packets prove what they made of it."""

import configparser
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kernel.lab import wait_until
from tests.support.servers import Server, batch, server

_NETWORKD = """
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/systemd/network
mount -t tmpfs tmpfs /etc/netplan 2>/dev/null || true
umount -l /sys; mount -t sysfs -o ro sysfs /sys
mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
chown -R systemd-network /run/systemd/netif
{prepare}
exec /lib/systemd/systemd-networkd
"""
"""networkd in a view of its own; without a writable /sys it waits for no udev."""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Server]:
    with server(tmp_path, 2) as made:
        yield made


def rendered(host: Server, name: str, folder: Path) -> Path:
    """Return a folder with what the tool wrote."""
    host.must("routes", "render", "--format", name, "--out", str(folder))
    return folder


def wipe(host: Server) -> None:
    """Take all from the server that a restart would take."""
    batch(
        host.namespace,
        *(
            f"{verb} eth{n}"
            for n in range(2)
            for verb in ("address flush dev", "link set down dev")
        ),
    )
    for family in (4, 6):
        host.run("ip", f"-{family}", "route", "flush", "table", "7400", check=False)
    assert not host.answers(0, 4)


def all_answered(host: Server) -> bool:
    return set(host.answered().values()) == {True}


def under_networkd(host: Server, prepare: str) -> None:
    """Start the real networkd on the server, and wait until it has done its work."""
    enter = ("nsenter", f"--net=/run/netns/{host.namespace}", "unshare", "--mount")
    with subprocess.Popen(
        (*enter, "sh", "-e", "-c", _NETWORKD.format(prepare=prepare)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_until(lambda: all_answered(host), lambda: host.run("ip", "rule"), seconds=20)
        finally:
            process.terminate()


@pytest.mark.covers("H84", "X16")
def test_networkd_brings_every_reply_back_from_our_files(host: Server, tmp_path: Path) -> None:
    folder = rendered(host, "networkd", tmp_path / "out")
    wipe(host)

    under_networkd(host, f"cp {folder}/etc/systemd/network/* /etc/systemd/network/")


@pytest.mark.covers("H84", "X16")
def test_netplan_takes_our_file_and_networkd_what_netplan_makes_of_it(
    host: Server, tmp_path: Path
) -> None:
    folder = rendered(host, "netplan", tmp_path / "out")
    said = subprocess.run(
        ("netplan", "generate", "--root-dir", str(folder)),
        capture_output=True,
        text=True,
        check=True,
    )
    wipe(host)

    assert said.stderr == ""
    under_networkd(host, f"cp {folder}/run/systemd/network/* /etc/systemd/network/")


@pytest.mark.covers("H83", "H84", "X16")
def test_ifupdown_brings_every_reply_back_from_our_files(host: Server, tmp_path: Path) -> None:
    folder = rendered(host, "ifupdown", tmp_path / "out") / "etc/network/interfaces.d"
    merged = tmp_path / "interfaces"
    merged.write_text(f"source {folder}/*\n")
    wipe(host)
    hidden = "mount -t tmpfs tmpfs /run; mkdir -p /run/network"

    host.run("unshare", "--mount", "sh", "-e", "-c", f"{hidden}; ifup -a -i {merged}")

    wait_until(lambda: all_answered(host))


@pytest.mark.covers("H83", "X16")
def test_the_words_of_ifcfg_files_are_words_of_ip(host: Server, tmp_path: Path) -> None:
    folder = rendered(host, "ifcfg", tmp_path / "out") / "etc/sysconfig/network-scripts"
    wipe(host)

    for number in range(2):
        settings = configparser.ConfigParser()
        settings.read_string("[a]\n" + (folder / f"ifcfg-eth{number}").read_text())
        four, six = (
            settings["a"]["IPADDR"] + "/" + settings["a"]["PREFIX"],
            settings["a"]["IPV6ADDR"],
        )
        batch(
            host.namespace,
            f"link set eth{number} up",
            f"address add {four} dev eth{number}",
            f"address add {six} dev eth{number}",
        )
    for number in range(2):
        for family, suffix in ((4, ""), (6, "6")):
            for thing, verb in (("route", "append"), ("rule", "add")):
                for line in (folder / f"{thing}{suffix}-eth{number}").read_text().splitlines():
                    host.run("ip", f"-{family}", thing, verb, *line.split())

    wait_until(lambda: all_answered(host))


@pytest.mark.covers("H83", "X16")
def test_our_keyfile_says_what_netplans_own_keyfile_says(host: Server, tmp_path: Path) -> None:
    ours = rendered(host, "networkmanager", tmp_path / "ours")
    theirs = rendered(host, "netplan", tmp_path / "theirs")
    file = theirs / "etc/netplan/90-portlight.yaml"
    file.write_text(
        file.read_text().replace("version: 2", "version: 2\n  renderer: NetworkManager")
    )

    subprocess.run(("netplan", "generate", "--root-dir", str(theirs)), check=True)

    for name in ("eth0", "eth1"):
        mine = keyfile(
            ours / f"etc/NetworkManager/system-connections/portlight-{name}.nmconnection"
        )
        others = keyfile(
            theirs / f"run/NetworkManager/system-connections/netplan-{name}.nmconnection"
        )
        assert mine == others
    text = (ours / "etc/NetworkManager/system-connections/portlight-eth1.nmconnection").read_text()
    assert "routing-rule1=priority 32765 from 10.1.0.5/32 table 7401\n" in text
    assert "routing-rule1=priority 32765 from 2001:db8:1::5/128 table 7401\n" in text
    mode = (ours / "etc/NetworkManager/system-connections/portlight-eth0.nmconnection").stat()
    assert mode.st_mode & 0o777 == 0o600


def keyfile(path: Path) -> dict[str, dict[str, str]]:
    """Return what a keyfile says of addresses, routes and rules."""
    parsed = configparser.ConfigParser()
    parsed.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep case
    parsed.read_string(path.read_text())
    return {
        family: {
            key: value
            for key, value in parsed[family].items()
            # Netplan's version of Debian 12 leaves out rules for NetworkManager.
            if key.startswith(("method", "address", "route"))
        }
        for family in ("ipv4", "ipv6")
    }


@pytest.mark.covers("H149")
def test_dns_of_one_interface_alone_is_written_when_asked(host: Server) -> None:
    batch(
        host.namespace,
        *(
            f"address change 10.{n}.0.5/24 dev eth{n} valid_lft 600 preferred_lft 600"
            for n in range(2)
        ),
    )

    text = host.must("routes", "render", "--format", "netplan", "--dns-from", "eth0")

    first, second = text.split("    eth1:")
    assert "use-dns: false" not in first
    assert "use-dns: false" in second


@pytest.mark.covers("K9", "H84")
def test_a_gateway_that_was_taken_away_is_not_asked_for_again(host: Server) -> None:
    batch(host.namespace, "address change 10.1.0.5/24 dev eth1 valid_lft 600 preferred_lft 600")
    host.must("routes", "fix", "--only", "default-gateways", "--keep", "eth0", "--no-confirm")

    text = host.must("routes", "render", "--format", "networkd", "--interface", "eth1")

    assert "[DHCPv4]\nUseGateway=no" in text


def lease_both_families(host: Server) -> None:
    """Let eth1's addresses have an end, as those that DHCP and routers bring."""
    lives = "dev eth1 valid_lft 600 preferred_lft 600"
    batch(
        host.namespace,
        f"address change 10.1.0.5/24 {lives}",
        f"address change 2001:db8:1::5/64 {lives}",
    )


@pytest.mark.covers("K9", "H84")
def test_netplan_takes_a_file_that_drops_the_gateway_of_one_family_only(
    host: Server, tmp_path: Path
) -> None:
    lease_both_families(host)
    host.run("ip", "-4", "route", "delete", "default", "dev", "eth1")
    folder = rendered(host, "netplan", tmp_path / "out")

    said = subprocess.run(
        ("netplan", "generate", "--root-dir", str(folder)),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (said.returncode, said.stderr) == (0, "")
    (network,) = (folder / "run/systemd/network").glob("*eth1.network")
    assert "DHCP=yes" in network.read_text()
    assert "UseRoutes=false" in network.read_text()


@pytest.mark.covers("K9", "H84")
def test_what_netplan_cannot_say_is_refused_and_networkd_says_it(host: Server) -> None:
    lease_both_families(host)
    host.run("sysctl", "-qw", "net/ipv6/conf/eth1/accept_ra_defrtr=0")
    host.run("ip", "-6", "route", "delete", "default", "dev", "eth1")

    done = host.guest("routes", "render", "--format", "netplan")

    assert done.returncode == 1
    assert "eth1 takes no default gateway from IPv6 routers" in done.stderr
    text = host.must("routes", "render", "--format", "networkd")
    assert "[IPv6AcceptRA]\nUseGateway=no" in text


def test_an_interface_that_is_not_there_is_refused(host: Server) -> None:
    done = host.guest("routes", "render", "--format", "netplan", "--interface", "eth7")

    assert done.returncode == 1
    assert done.stderr == (
        "portlight-guest: no interface eth7 with addresses; there are eth0, eth1\n"
    )
