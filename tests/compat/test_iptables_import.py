"""A save file of iptables becomes a security group over a real server, or nothing at all."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.support.api_server import ApiServer

from portlight.cli.app import app
from portlight.cli.security_group_import import make_group
from portlight.client.client import connect
from portlight.client.credentials import load_credentials
from portlight.client.errors import ClientError
from portlight.guest.iptables.groups import Import as Parts

Import = Callable[..., Result]
ANSWERS = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"


@pytest.fixture
def run(server: ApiServer, tmp_path: Path) -> Import:
    server.write_state(tmp_path)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["--state", str(tmp_path), *arguments])

    return invoke


def a_file(tmp_path: Path, rules: str) -> str:
    path = tmp_path / "rules"
    path.write_text(f"*filter\n:INPUT DROP [0:0]\n{rules}COMMIT\n")
    return str(path)


@pytest.mark.covers("K51", "K52", "K55")
def test_the_group_has_the_rules_of_the_file_and_no_others(run: Import, tmp_path: Path) -> None:
    name = f"from-iptables-{uuid.uuid4().hex[:8]}"
    rules = "-A INPUT -i lo -j ACCEPT\n-A INPUT -d 192.0.2.9 -p tcp --dport 22 -j ACCEPT\n"
    file = a_file(tmp_path, ANSWERS + rules)

    result = run("sg", "import", file, "--group", name, "--address", "192.0.2.9")
    group = json.loads(run("sg", "show", name, "--json").output)

    assert result.exit_code == 0, result.output
    assert "2000 packets compared, 0 differences" in result.output
    assert group["stateful"] is True
    assert sorted(
        (rule["direction"], rule["protocol"], rule["port_range_min"], rule["ethertype"])
        for rule in group["security_group_rules"]
    ) == [("egress", None, None, "IPv4"), ("ingress", "6", 22, "IPv4")]


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        (
            "-A INPUT -m mac --mac-source 02:00:00:00:00:01 -j DROP\n",
            "would not judge as the rules",
        ),
        ("-A INPUT -p tcp --sport 20 -j ACCEPT\n", "--partial"),
        ("-A INPUT -p nope -j DROP\n", "a group cannot ask for -p nope"),
        ("-A NOPE -j DROP\n", "line 3: chain NOPE was not announced"),
    ],
)
def test_what_cannot_be_said_makes_no_group(
    run: Import, tmp_path: Path, rules: str, complaint: str
) -> None:
    name = f"never-{uuid.uuid4().hex[:8]}"

    result = run("sg", "import", a_file(tmp_path, rules), "--group", name)

    assert result.exit_code == 1
    assert complaint in result.output
    assert name not in run("sg", "list").output


def test_a_group_that_the_server_refuses_halfway_is_gone_again(
    run: Import, server: ApiServer, tmp_path: Path
) -> None:
    name = f"twice-{uuid.uuid4().hex[:8]}"
    server.write_state(tmp_path)
    rule = {"direction": "ingress", "ethertype": "IPv4", "protocol": "6"}
    twice = Parts(documents=(rule, rule), leftovers=(), is_stateful=True)
    client = connect(load_credentials(tmp_path))

    with pytest.raises(ClientError, match="already exists"):
        make_group(client, name, [twice])

    assert name not in run("sg", "list").output
    client.connection.close()
