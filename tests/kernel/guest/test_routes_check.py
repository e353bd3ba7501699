"""`routes check` names what is wrong with a real server, and finds nothing with a sound one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kernel.lab import inside, wait_until
from tests.support.servers import Server, batch, server


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Server]:
    with server(tmp_path, 1) as made:
        yield made


@pytest.fixture
def double(tmp_path: Path) -> Iterator[Server]:
    """Two interfaces, of which only the first has a gateway."""
    with server(tmp_path, 2, gateways=False) as made:
        batch(
            made.namespace,
            "route add default via 10.0.0.1",
            "route add default via 2001:db8::1",
        )
        yield made


def test_a_server_with_one_interface_has_no_fault(single: Server) -> None:
    done = single.guest("routes", "check")

    assert (done.stdout, done.returncode) == ("no fault found\n", 0)


@pytest.mark.covers("X17")
def test_a_server_with_four_interfaces_and_policy_routing_has_no_fault(tmp_path: Path) -> None:
    with server(tmp_path, 4) as host:
        host.must("routes", "policy", "on")

        assert host.faults() == {}


@pytest.mark.covers("X17", "K9", "H156")
def test_two_default_gateways_are_named_with_both_routes(tmp_path: Path) -> None:
    with server(tmp_path, 2) as host:
        fault = host.faults()["duplicate-default-gateways"]

    assert fault["interface"] == "eth0,eth1"
    assert "default via 2001:db8::1 dev eth0 metric 1024" in fault["evidence"]
    assert "fix --only default-gateways" in fault["remedy"]


@pytest.mark.covers("X17", "H156")
def test_a_reply_that_leaves_elsewhere_is_shown_as_a_packet(double: Server) -> None:
    batch(double.namespace, "route add default via 10.1.0.1 metric 200")

    fault = double.faults()["reply-leaves-elsewhere"]

    assert fault["evidence"] == (
        "the reply 10.1.0.5 > 192.0.2.1 to a request on eth1 leaves by eth0;"
        " no rule looks at the source"
    )
    assert not double.answers(1, 4)


@pytest.mark.covers("X17")
def test_an_address_without_a_rule_among_others_with_one_is_named(tmp_path: Path) -> None:
    with server(tmp_path, 2) as host:
        host.must("routes", "policy", "on")
        batch(host.namespace, "address add 10.1.0.6/24 dev eth1")

        fault = host.faults()["policy-rule-missing"]

    assert "10.1.0.6" in fault["evidence"]
    assert fault["remedy"] == "portlight-guest routes fix --only policy-routing"


@pytest.mark.covers("X17")
def test_a_rule_whose_table_leads_nowhere_is_named(tmp_path: Path) -> None:
    with server(tmp_path, 2) as host:
        batch(host.namespace, "rule add from 10.1.0.5 table 500")

        assert "to table 500" in host.faults()["policy-table-incomplete"]["evidence"]


@pytest.mark.covers("X17", "H156")
def test_a_strict_reverse_path_filter_that_drops_requests_is_named(double: Server) -> None:
    batch(double.namespace, "route add default via 10.1.0.1 metric 200")
    double.run("sysctl", "-qw", "net/ipv4/conf/eth1/rp_filter=1")

    fault = double.faults()["rp-filter-drops"]

    assert "the request 192.0.2.1 > 10.1.0.5 is dropped when it arrives" in fault["evidence"]


@pytest.mark.covers("X17", "K8")
def test_arp_flux_of_two_interfaces_in_one_subnet_is_named_and_put_right(single: Server) -> None:
    one_segment(single)
    fault = single.faults()["arp-flux"]
    assert "eth0: arp_ignore 0, arp_announce 0" in fault["evidence"]
    assert answering(single) == {"eth0", "eth1"}

    single.must("routes", "fix", "--only", "arp", "--no-confirm")

    assert "arp-flux" not in single.faults()
    assert answering(single) == {"eth1"}


def one_segment(host: Server) -> None:
    """Give the server a second interface in the segment of its first."""
    batch(
        host.worlds[0],
        "link add segment type bridge",
        "link set segment up address 02:00:00:00:00:01",
        f"link add up1 type veth peer name eth1 netns {host.namespace}",
        "address flush dev wire",
        "address add 10.0.0.1/24 dev segment",
        "link set wire master segment",
        "link set up1 up master segment",
    )
    batch(host.namespace, "link set eth1 up", "address add 10.0.0.6/24 dev eth1")


def answering(host: Server) -> set[str]:
    """Return which interfaces of the server answer ARP for the address of its second one."""
    macs = {}
    for name in ("eth0", "eth1"):
        words = host.run("ip", "-o", "link", "show", name).split()
        macs[words[words.index("link/ether") + 1]] = name
    asked = inside(
        host.worlds[0],
        "arping",
        "-b",
        "-c",
        "3",
        "-w",
        "1",
        "-I",
        "segment",
        "10.0.0.6",
        check=False,
    )
    found = {word.strip("[]").lower() for word in asked.split() if word.startswith("[")}
    return {name for mac, name in macs.items() if mac in found}


@pytest.mark.covers("X17", "K8", "H156")
def test_overlapping_subnets_are_named(double: Server) -> None:
    batch(double.namespace, "address add 10.0.0.77/16 dev eth1")

    fault = double.faults()["overlapping-subnets"]

    assert "eth0 is in 10.0.0.0/24, eth1 in 10.0.0.0/16" in fault["evidence"]


@pytest.mark.covers("X17")
def test_an_address_on_two_interfaces_is_named(double: Server) -> None:
    batch(double.namespace, "address add 10.0.0.5/32 dev eth1")

    assert double.faults()["duplicate-address"]["evidence"] == "both have 10.0.0.5"


@pytest.mark.covers("X17", "H156")
def test_two_mtus_on_one_segment_are_named_and_put_right(single: Server) -> None:
    one_segment(single)
    batch(single.namespace, "link set eth1 mtu 1400")
    assert "eth0 1500, eth1 1400" in single.faults()["mtu-mismatch"]["evidence"]

    single.must("routes", "fix", "--only", "mtu", "--no-confirm")

    assert "mtu 1400" in single.run("ip", "link", "show", "eth0")
    assert "mtu-mismatch" not in single.faults()


@pytest.mark.covers("X17")
def test_a_gateway_that_takes_no_long_packets_is_found_by_asking_it(single: Server) -> None:
    batch(single.worlds[0], "link set wire mtu 1300")

    done = single.guest("routes", "check")

    assert done.returncode == 1
    assert "10.0.0.1 answers short packets, and none of 1500 bytes" in done.stdout


@pytest.mark.covers("X17", "H156")
def test_a_gateway_that_does_not_answer_is_found_by_asking_it(single: Server) -> None:
    batch(single.worlds[0], "address delete 10.0.0.1/24 dev wire")
    batch(single.namespace, "neighbour flush dev eth0")

    done = single.guest("routes", "check")

    assert "gateway-unreachable: eth0" in done.stdout
    assert "default via 10.0.0.1 dev eth0 metric 100: no answer to ARP" in done.stdout


@pytest.mark.covers("X17")
def test_a_gateway_outside_every_subnet_is_named(single: Server) -> None:
    batch(
        single.namespace,
        "address add 10.77.0.5/24 dev eth0",
        "route add default via 10.77.0.1 metric 500",
        "address delete 10.77.0.5/24 dev eth0",
    )

    fault = single.faults()["gateway-off-link"]

    assert "via 10.77.0.1 dev eth0 metric 500, but eth0 has 10.0.0.5/24" in fault["evidence"]


@pytest.mark.covers("X17", "H149")
def test_different_dns_servers_of_two_interfaces_are_named(double: Server) -> None:
    leases = "\n".join(f"printf 'nameserver 10.{n}.0.53\\n' > /run/resolv.eth{n}" for n in range(2))
    program = f'mount -t tmpfs tmpfs /run; {leases}; exec "$@"'

    fault = double.faults(under=("unshare", "--mount", "sh", "-c", program, "sh"))["dns-conflict"]

    assert fault["evidence"] == "eth0 brings 10.0.0.53; eth1 brings 10.1.0.53"
    assert fault["remedy"] == "portlight-guest routes render --dns-from eth0"


@pytest.mark.covers("X17", "H62")
def test_forwarding_on_a_standby_member_is_named_and_put_right(
    single: Server, tmp_path: Path
) -> None:
    conf = tmp_path / "keepalived.conf"
    conf.write_text(
        "vrrp_instance a {\n virtual_ipaddress {\n 10.0.0.100/24 dev eth0 # main\n }\n}\n"
    )
    single.run("sysctl", "-qw", "net/ipv4/ip_forward=1")
    asked = ("--keepalived-conf", str(conf))

    fault = single.faults(*asked)["forwarding-on-standby"]

    assert (
        fault["evidence"] == "10.0.0.100 is held by another member, and IPv4 forwarding is on here"
    )
    single.must("routes", "fix", "--only", "forwarding", "--no-confirm")
    assert single.faults(*asked) == {}


def test_the_member_that_holds_the_virtual_ip_may_forward(single: Server, tmp_path: Path) -> None:
    conf = tmp_path / "keepalived.conf"
    conf.write_text("virtual_ipaddress { \n 10.0.0.100/24\n }\n")
    single.run("sysctl", "-qw", "net/ipv4/ip_forward=1")
    batch(single.namespace, "address add 10.0.0.100/24 dev eth0")

    assert single.faults("--keepalived-conf", str(conf)) == {}


@pytest.mark.covers("X17")
def test_an_interface_that_is_off_and_one_without_address_are_named(double: Server) -> None:
    batch(double.namespace, "link set eth1 down", "address flush dev eth0 scope global")

    faults = double.faults()

    assert "10.1.0.5/24" in faults["interface-down"]["evidence"]
    assert faults["interface-without-address"]["interface"] == "eth0"


@pytest.mark.covers("X17")
def test_a_cable_that_ends_nowhere_is_named(double: Server) -> None:
    batch(double.worlds[1], "link set wire down")

    wait_until(lambda: "interface-down" in double.faults())


@pytest.mark.covers("X17")
def test_ears_shut_to_routers_are_named_and_opened(single: Server) -> None:
    batch(single.namespace, "route delete ::/0", "address add 2a00:1::5/64 dev eth0")
    single.run("sysctl", "-qw", "net/ipv6/conf/eth0/forwarding=1")

    fault = single.faults()["router-advertisements-ignored"]

    assert "accept_ra is 1 while it forwards" in fault["evidence"]
    single.must("routes", "fix", "--only", "router-advertisements", "--no-confirm")
    assert single.faults() == {}


def test_a_command_that_is_not_allowed_says_so_and_changes_nothing(double: Server) -> None:
    done = double.guest("routes", "fix", "--only", "default-gateways", "--keep", "eth9")

    assert done.returncode == 1
    assert done.stderr == (
        "portlight-guest: --keep eth9: there is no such interface; there are eth0, eth1\n"
    )
