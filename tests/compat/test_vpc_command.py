"""The verbs of `portlight` for VPCs and public addresses, over a real server."""

from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from tests.support.api_server import api_server

from portlight.cli.app import app

Portlight = Callable[..., str]


@pytest.fixture
def portlight(tmp_path: Path) -> object:
    with api_server() as server:
        server.write_state(tmp_path, "admin")
        external = {"name": "public", "router:external": True}
        network = server.must("POST", "/v2.0/networks", {"network": external}, user="admin")
        subnet = {"network_id": network["network"]["id"], "cidr": "203.0.113.0/24"}
        server.must("POST", "/v2.0/subnets", {"subnet": subnet}, user="admin")

        def run(words: str) -> str:
            arguments = ["--state", str(tmp_path), *words.split()]
            result: Result = CliRunner().invoke(app, arguments)
            assert result.exit_code == 0, f"{words}: {result.output}"
            return result.output

        yield run


@pytest.mark.covers("H52", "H53", "H106", "K3", "K6")
def test_a_vpc_with_ways_out_is_built_and_taken_down(portlight: Portlight) -> None:
    portlight("vpc create blue --cidr 10.1.0.0/16")
    portlight("vpc set blue --cidr 10.1.0.0/16 --cidr fd00:1::/56")
    portlight("vpc create green --cidr 10.2.0.0/16")
    portlight("subnet create front --vpc blue --cidr 10.1.1.0/24")
    portlight("nic create web --subnet front")
    portlight("route-table create private --vpc blue")
    portlight("route-table associate private front")
    portlight("internet-gateway create out")
    portlight("internet-gateway attach out private")
    portlight("peering create both --vpc blue --peer green")
    peering = portlight("peering show both --json")
    portlight("publicip allocate --name shown --network public --nic web")
    assert "203.0.113." in portlight("publicip list")
    address = portlight("publicip list").split("203.0.113.")[1].split()[0]
    assert "Hours held" in portlight("usage")
    portlight(f"publicip disassociate 203.0.113.{address} --release")
    assert "203.0.113." not in portlight("publicip list")
    assert "network_interface" in portlight("orphans")

    identifier = peering.split('"id": "')[1].split('"')[0]
    portlight(f"route create private 10.2.0.0/16 --to {identifier}")
    listed = portlight("route list --table private")
    assert "peering" in listed
    assert "internet_gateway" in listed
    portlight("nic delete web")
    assert "green" in portlight("vpc list")


def test_a_vpc_without_an_address_space_is_a_single_network(portlight: Portlight) -> None:
    portlight("vpc create plain")
    portlight("subnet create inside --vpc plain --cidr 192.168.3.0/24")

    assert "192.168.3.0/24" in portlight("subnet list --vpc plain")
    portlight("vpc delete plain")


def test_every_new_verb_explains_itself() -> None:
    for name in ("route-table", "route", "peering", "publicip", "internet-gateway", "nat-gateway"):
        group = app.commands[name]
        assert isinstance(group, click.Group)
        assert {"list", "show", "delete"} <= group.commands.keys()
