"""A save file with 10,000 rules: parse, check and apply beside iptables-restore alone.

The check is the verdict on a session's packets in both directions. Our time is that of a program of
its own, from its start to its end, as the peer's is. Beside it the whole command `firewall
restore`: it also looks around, tries the way back and writes it down, and starts its watchers.
"""

import subprocess
import sys
import time
from ipaddress import ip_address
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory

from tests.support.programs import private_network

from portlight.guest.iptables.packet import Hook, Packet
from portlight.guest.iptables.parse import parse_save
from portlight.guest.iptables.verdict import decide

RULES = 10_000
ROUNDS = 9
BACKENDS = ("nft", "legacy")
SOURCE = Path(__file__).parents[1] / "src"

_OURS = """
import sys
from ipaddress import ip_address
from pathlib import Path
from portlight.guest.iptables.packet import Hook, Packet
from portlight.guest.iptables.parse import parse_save
from portlight.guest.iptables.tool import Tool
from portlight.guest.iptables.verdict import decide
text = Path(sys.argv[1]).read_text()
ruleset = parse_save(text)
here, there = ip_address("192.0.2.10"), ip_address("203.0.113.9")
for hook, source, destination in ((Hook.INPUT, there, here), (Hook.OUTPUT, here, there)):
    decide(ruleset, Packet(hook=hook, source=source, destination=destination, protocol=6,
        in_interface="eth0", out_interface="eth0", source_port=22, destination_port=40000,
        state="ESTABLISHED", tcp_flags=16))
Tool(family=4, backend=sys.argv[2]).restore(text)
"""

OURS = {
    "parse, check, apply": ("-c", _OURS, "{file}", "{backend}"),
    "firewall restore": (
        *("-m", "portlight.guest.entry", "firewall", "restore"),
        *("--keep", "--backend", "{backend}", "{file}"),
    ),
}
"""Words of Python that are measured, by what they do."""

_KINDS = (
    "-p tcp -m tcp --dport {port} -j ACCEPT",
    "-p udp -m udp --dport {port} -j ACCEPT",
    "-p tcp -m multiport --dports 22,{port} -j DROP",
    "-p tcp -m tcp --dport {port} -m conntrack --ctstate NEW -j ACCEPT",
    "-p tcp -m tcp --dport {port} -j REJECT --reject-with tcp-reset",
)


def save_file(random: Random) -> str:
    """RULES rules for one source each, of five kinds in turn."""
    lines = ["*filter", ":INPUT ACCEPT [0:0]", ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]"]
    for number in range(RULES):
        source = ".".join(str(random.randrange(256)) for _ in range(3))
        rule = _KINDS[number % len(_KINDS)].format(port=random.randrange(1, 65536))
        lines.append(f"-A INPUT -s 10.{source}/32 {rule}")
    return "\n".join((*lines, "COMMIT", ""))


def seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def verdict_seconds(text: str, source: str | None) -> tuple[float, float]:
    """The first verdict, which reads the rules that it has to look at, and a later one."""
    ruleset = parse_save(text)
    packet = Packet(
        hook=Hook.INPUT,
        source=ip_address(source) if source else None,
        destination=None,
        protocol=17,
        in_interface="x",
    )
    spent = []
    for _ in range(2):
        started = time.perf_counter()
        decide(ruleset, packet)
        spent.append(time.perf_counter() - started)
    return spent[0], spent[1]


def row(backend: str, spent: dict[str, list[float]]) -> str:
    alone = spent["alone"]
    cells = [backend, f"{median(alone) * 1e3:.0f}"]
    for name in OURS:
        ratio = median(b / a for a, b in zip(alone, spent[name], strict=True))
        cells += [f"{median(spent[name]) * 1e3:.0f}", f"{ratio:.2f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print one table."""
    text = save_file(Random(1))  # noqa: S311 -- wanted: repeatable
    print(
        f"| back end | iptables-restore, ms | {' | '.join(f'{one}, ms | ratio' for one in OURS)} |"
    )
    print(f"|{'---|' * (2 + 2 * len(OURS))}")
    with TemporaryDirectory() as folder, private_network():
        file = Path(folder) / "rules"
        file.write_text(text)
        environment = (
            *("env", f"PYTHONPATH={SOURCE}", f"PORTLIGHT_GUEST_STATE={folder}/state"),
            sys.executable,
        )
        for backend in BACKENDS:
            spent: dict[str, list[float]] = {"alone": [], **{name: [] for name in OURS}}
            for _ in range(ROUNDS):
                spent["alone"].append(seconds(f"iptables-{backend}-restore", str(file)))
                for name, words in OURS.items():
                    filled = [one.format(file=file, backend=backend) for one in words]
                    spent[name].append(seconds(*environment, *filled))
            print(row(backend, spent))
    print("\n| verdict on a packet | first, ms | later, ms |\n|---|---|---|")
    for what, source in (("of one host", "203.0.113.9"), ("of anyone: all rules are read", None)):
        first, later = verdict_seconds(text, source)
        print(f"| {what} | {first * 1e3:.1f} | {later * 1e3:.1f} |")


if __name__ == "__main__":
    main()
