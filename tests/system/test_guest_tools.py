"""`portlight guest`: the tools for inside a server, run in an instance."""

import subprocess

import pytest
from tests.support.deployment import PORTLIGHT, Deployment, wait_for


def tool(cloud: Deployment, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `portlight guest`; what follows the instance's name is the tool's own."""
    return subprocess.run(
        [PORTLIGHT, "--state", str(cloud.state), "guest", *words],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.covers("X11", "K59")
def test_rules_of_an_instance_are_guarded_and_outlive_its_reboot(cloud: Deployment) -> None:
    network = cloud.network("tools")
    cloud.subnet(network, "10.96.1.0/24")
    guest = cloud.guest("tools", {"network_id": network["id"]})

    kept = tool(cloud, "iptables", guest.name, "--keep", "-A", "INPUT", "-p", "tcp",
                           "--dport", "80", "-j", "DROP")  # fmt: skip
    passing = tool(cloud, "iptables", guest.name, "--confirm-within", "60",
                              "-A", "INPUT", "-j", "DROP")  # fmt: skip

    assert kept.returncode == 0, kept.stderr
    assert "you work through Portlight: no packet carries you" in kept.stdout
    assert "change 2 is taken back in" in passing.stdout
    assert guest.must("iptables", "-S").count("-A INPUT") == 2
    cloud.portlight("instance", "reboot", guest.name)
    wait_for("the guest is back", guest.is_active)
    wait_for("its rules too", lambda: "--dport 80 -j DROP" in guest.must("iptables", "-S"))
    assert guest.must("iptables", "-S").count("-A INPUT") == 1
    history = tool(cloud, "firewall", guest.name, "history").stdout
    assert "root through Portlight" in history
    assert "rolled back" in history.splitlines()[2]
