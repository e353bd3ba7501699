"""What is legal to write, and no reason to know nothing of a server."""

import json
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from portlight.guest.routes.decode import decode_resolvers, decode_rules, decode_virtual_ips


def rule(**fields: object) -> str:
    """Return a listing of one rule, as `ip -N -json -details rule show` prints it."""
    return json.dumps([{"priority": 7, "src": "all", "table": "99", "protocol": "0", **fields}])


@pytest.mark.parametrize(("side", "name"), [("src", "source"), ("dst", "destination")])
def test_a_rule_may_name_a_network_by_an_address_of_it(side: str, name: str) -> None:
    (four,) = decode_rules(rule(**{side: "10.0.0.5", f"{side}len": 24}), 4)
    (six,) = decode_rules(rule(**{side: "2001:db8::5", f"{side}len": 64}), 6)

    assert getattr(four, name) == ip_network("10.0.0.0/24")
    assert getattr(six, name) == ip_network("2001:db8::/64")


def test_of_virtual_ips_that_keepalived_only_learns_later_the_others_are_known() -> None:
    text = """
    $VIP=10.0.0.9/24
    vrrp_instance a { virtual_ipaddress {
        $VIP dev eth0
        @master 10.0.0.10/24 dev eth0
        10.0.0.11
        nonsense/24
    } }
    """

    assert [*decode_virtual_ips(text)] == [
        ip_interface("10.0.0.10/24"),
        ip_interface("10.0.0.11/32"),
    ]


def test_a_malformed_name_server_does_not_hide_the_others() -> None:
    text = "nameserver 10.0.0.300\nnameserver 10.0.0.53\nnameserver :::\n"

    assert [one.address for one in decode_resolvers({"": text})] == [ip_address("10.0.0.53")]
