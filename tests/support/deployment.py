"""A whole Portlight of its own for a system test: server, agent, state folder, listener.

Everything is driven as a user would: `portlight up`, HTTP, and commands inside instances.
"""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx

Json = dict[str, Any]

PORTLIGHT = str(Path(sys.executable).with_name("portlight"))


def wait_for(
    what: str, condition: Callable[[], Any], *, seconds: float = 10.0, every: float = 0.02
) -> Any:  # noqa: ANN401 -- whatever the condition returns
    """Return the first true value of `condition`; fail with its last value after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}; last seen: {value!r}")
        time.sleep(every)


def free_port() -> int:
    """Return a TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class Guest:
    """A running instance, as its own shell would see it."""

    cloud: "Deployment"
    id: str
    name: str
    background: list[subprocess.Popen[str]] = field(default_factory=list)

    def describe(self) -> Json:
        """Return the instance as the API shows it."""
        instance: Json = self.cloud.native("GET", f"/instances/{self.id}")["instance"]
        return instance

    def is_active(self) -> bool:
        """Whether the agent has reported it running."""
        return bool(self.describe()["status"] == "ACTIVE")

    def command(self, argv: Sequence[str]) -> list[str]:
        """Return the command line that runs `argv` inside the instance."""
        enter = ["nsenter", "--target", str(self.describe()["init_pid"]), "--all"]
        # nsenter waits outside for the command inside: ending it must end the command.
        return [*enter, "setpriv", "--pdeathsig", "TERM", "--", *argv]

    def run(self, *argv: str, seconds: float = 20.0) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end."""
        return subprocess.run(
            self.command(argv), capture_output=True, text=True, timeout=seconds, check=False
        )

    def must(self, *argv: str, seconds: float = 20.0) -> str:
        """Run a command inside; fail when it does."""
        done = self.run(*argv, seconds=seconds)
        assert done.returncode == 0, f"{self.name}: {argv} -> {done.returncode} {done.stderr}"
        return done.stdout

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """Run a command inside in the background, until the test ends."""
        process = subprocess.Popen(
            self.command(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.background.append(process)
        return process

    def addresses(self, ifname: str = "eth0") -> list[str]:
        """Return the global addresses that the guest has configured on an interface."""
        links = json.loads(self.must("ip", "-json", "addr", "show", "dev", ifname))
        return [a["local"] for a in links[0]["addr_info"] if a["scope"] == "global"]

    def has_addresses(self, wanted: AbstractSet[str], ifname: str) -> bool:
        """Whether an interface has at least these global addresses."""
        return wanted <= set(self.addresses(ifname))

    def pings(self, address: str, *, count: int = 1, deadline: float = 2.0) -> bool:
        """Whether every one of `count` pings came back."""
        done = self.run("ping", "-n", "-c", str(count), "-i", "0.1", "-W", str(deadline), address)
        return done.returncode == 0

    def end_background(self) -> None:
        """End what the test started inside."""
        for process in self.background:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(3)
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self.background.clear()


@dataclass(slots=True)
class Deployment:
    """One `portlight up`, with the project user's credentials."""

    state: Path
    listen: str
    public_pool: str = "none"
    """Prefix of the external network `public`; only one deployment of a machine can have it."""
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30))
    guests: list[Guest] = field(default_factory=list)

    def portlight(self, *argv: str, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run the command line tool against this deployment."""
        return subprocess.run(
            [PORTLIGHT, *argv, "--state", str(self.state)],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def up(self) -> Self:
        """Start (or start again what has died) and log in."""
        done = self.portlight("up", "--listen", self.listen, "--public-pool", self.public_pool)
        assert done.returncode == 0, f"portlight up: {done.stdout}\n{done.stderr}"
        self.login()
        return self

    def down(self) -> None:
        """Stop everything and check that it said so."""
        try:
            for guest in self.guests:
                guest.end_background()
        finally:
            done = self.portlight("down")
        assert done.returncode == 0, f"portlight down: {done.stdout}\n{done.stderr}"

    def login(self, credentials: str = "credentials.json") -> None:
        """Get a token for the project user, or for whom another file of the state folder names."""
        secret = json.loads((self.state / credentials).read_text())
        answer = self.http.post(
            f"http://{self.listen}/identity/v3/auth/tokens",
            json={
                "auth": {
                    "identity": {
                        "methods": ["password"],
                        "password": {
                            "user": {
                                "name": secret["username"],
                                "domain": {"id": "default"},
                                "password": secret["password"],
                            }
                        },
                    },
                    "scope": {"project": {"id": secret["project_id"]}},
                }
            },
        )
        assert answer.status_code == 201, answer.text
        self.http.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]

    def call(
        self, method: str, path: str, body: Json | None = None, **query: str
    ) -> httpx.Response:
        """Send one request; return the answer whatever it is."""
        return self.http.request(method, f"http://{self.listen}{path}", json=body, params=query)

    def ok(self, method: str, path: str, body: Json | None = None, **query: str) -> Json:
        """Send one request that must succeed; return its body."""
        answer = self.call(method, path, body, **query)
        assert answer.is_success, f"{method} {path} -> {answer.status_code} {answer.text}"
        return answer.json() if answer.content else {}

    def neutron(self, method: str, path: str, body: Json | None = None, **query: str) -> Json:
        """Call the Neutron face."""
        return self.ok(method, f"/v2.0{path}", body, **query)

    def native(self, method: str, path: str, body: Json | None = None, **query: str) -> Json:
        """Call the native face."""
        return self.ok(method, f"/portlight/v1{path}", body, **query)

    def network(self, name: str = "net", **fields: Any) -> Json:  # noqa: ANN401
        """Create a network."""
        answer = self.neutron("POST", "/networks", {"network": {"name": name, **fields}})
        network: Json = answer["network"]
        return network

    def subnet(self, network: Json, cidr: str, **fields: Any) -> Json:  # noqa: ANN401
        """Create a subnet; `cidr` decides the family."""
        body = {
            "network_id": network["id"],
            "cidr": cidr,
            "ip_version": 6 if ":" in cidr else 4,
            **fields,
        }
        subnet: Json = self.neutron("POST", "/subnets", {"subnet": body})["subnet"]
        return subnet

    def group(self, name: str, *rules: Json, **fields: Any) -> Json:  # noqa: ANN401
        """Create a security group with ingress rules (or what `direction` says)."""
        body = {"security_group": {"name": name, **fields}}
        group: Json = self.neutron("POST", "/security-groups", body)["security_group"]
        for rule in rules:
            self.rule(group, **rule)
        return group

    def rule(self, group: Json, **fields: Any) -> Json:  # noqa: ANN401
        """Add a rule to a group; ingress unless said otherwise."""
        body = {"direction": "ingress", **fields, "security_group_id": group["id"]}
        answer = self.neutron("POST", "/security-group-rules", {"security_group_rule": body})
        rule: Json = answer["security_group_rule"]
        return rule

    def port(self, network: Json, **fields: Any) -> Json:  # noqa: ANN401
        """Create a port."""
        body = {"port": {"network_id": network["id"], **fields}}
        port: Json = self.neutron("POST", "/ports", body)["port"]
        return port

    def guest(self, name: str, *interfaces: Json, running: bool = True) -> Guest:
        """Create an instance on these interfaces; wait until its addresses are there."""
        body = {"instance": {"name": name, "interfaces": list(interfaces)}}
        instance = self.native("POST", "/instances", body)["instance"]
        guest = Guest(self, instance["id"], name)
        self.guests.append(guest)
        if running:
            self.wait_active(guest)
        return guest

    def wait_active(self, guest: Guest) -> None:
        """Wait until the instance runs and has every IPv4 address it should have."""
        wait_for(f"{guest.name} is ACTIVE", guest.is_active, seconds=15)
        for index, port in enumerate(self.ports_of(guest)):
            wanted = {f["ip_address"] for f in port["fixed_ips"] if ":" not in f["ip_address"]}
            wait_for(
                f"{guest.name} eth{index} has {wanted}",
                partial(guest.has_addresses, wanted, f"eth{index}"),
                seconds=15,
            )

    def ports_of(self, guest: Guest) -> list[Json]:
        """Return the ports of an instance in interface order."""
        ports: list[Json] = self.neutron("GET", "/ports", device_id=guest.id)["ports"]
        return sorted(ports, key=lambda port: port["device_index"])

    def drops(self, port: Json) -> dict[str, int]:
        """Return the dropped packets of a port by `direction/reason`."""
        counted = self.native("GET", f"/ports/{port['id']}/counters")["port_counters"]["counters"]
        return {f"{d['direction']}/{d['reason']}": d["packets"] for d in counted if d["reason"]}

    def wait_drop(self, port: Json, reason: str, *, more_than: int = 0) -> int:
        """Wait until the port has dropped more than so many packets for this reason."""
        count: int = wait_for(
            f"{reason} > {more_than}",
            lambda: (n := self.drops(port).get(reason, 0)) > more_than and n,
            seconds=5,
        )
        return count


@contextlib.contextmanager
def deployment(folder: Path) -> Iterator[Deployment]:
    """Run a deployment of its own; leave nothing behind."""
    cloud = Deployment(folder / "state", f"127.0.0.1:{free_port()}")
    try:
        yield cloud.up()
    finally:
        cloud.down()
        cloud.http.close()
