"""The networking API beside that of a Neutron: the same requests, one server after the other.

    python -m bench.api                                    ours alone
    python -m bench.api --peer-url http://127.0.0.1:9696   and a Neutron that is already running
    python -m bench.api --large 100000                     and ours with so many ports in it
    python -m bench.api --only "port show" --rounds 9      a part, in many short rounds

Ours is `portlight serve` with a fresh state folder: SQLite, each commit on the disk. No agent runs.
"""

import argparse
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from urllib.request import urlopen

import httpx
from bench.api_load import BULK, CLIENTS, Amounts, Outcome, Server, phases
from bench.api_scale import scale

from portlight.client.credentials import load_credentials

DUE: Mapping[str, float] = {
    "port create": 50,
    f"port create, {CLIENTS} clients": 50,
    f"port create in bulks of {BULK}": 200,
    f"port create in bulks of {BULK}, 2 clients": 200,
    "list of 1,000 ports": 40,
    "list of 5,000 ports": 40,
}
Outcomes = Mapping[str, Outcome]
DUE_OTHERWISE = 20.0
START_SECONDS = 30.0


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-url", help="of a Neutron without Keystone, up to its port")
    parser.add_argument("--peer-token", help="X-Auth-Token for the peer")
    parser.add_argument("--listen", default="127.0.0.1:9797", help="where ours listens")
    parser.add_argument("--workers", type=int, default=1, help="processes of our server")
    parser.add_argument("--lists", type=int, nargs="*", default=[1_000, 5_000], metavar="PORTS")
    parser.add_argument("--rounds", type=int, default=1, help="fresh servers of ours, one by one")
    parser.add_argument("--large", type=int, default=0, help="ports for the comparison of sizes")
    parser.add_argument("--only", default="", help="phases whose name begins so")
    asked = parser.parse_args()
    # a Neutron takes minutes for what we do in seconds: fewer requests, the same phases
    few = Amounts(sequential=60, concurrent=120, bulks=1, lists=asked.lists, list_rounds=3)
    few = replace(few, only=asked.only)
    many = Amounts(lists=asked.lists, only=asked.only)
    peers: list[Outcomes] = []
    ours: list[Outcomes] = []
    for number in range(asked.rounds):
        # a whole run of a Neutron takes minutes: once does; a part is asked of it in every round
        if asked.peer_url and (asked.only or not peers):
            peers.append(measured(peer_of(asked.peer_url, asked.peer_token), few))
        with our_server(asked.listen, asked.workers) as (server, process):
            ours.append(measured(server, many))
            print(f"  memory of ours: {resident_megabytes(process):.0f} MB", flush=True)
            if asked.large and number == asked.rounds - 1:
                scale(server, asked.large, lambda: resident_megabytes(process))
    report(ours, peers)


def measured(server: Server, amounts: Amounts) -> Outcomes:
    """Run every phase, and show progress."""
    found = {}
    for name, outcome in phases(server, amounts):
        print(f"  {server.url} {name}: {outcome.per_second:.1f}/s", flush=True)
        found[name] = outcome
    return found


def peer_of(url: str, token: str | None) -> Server:
    """Return the running peer; without a token it must be one that believes everybody."""
    headers = {"Connection": "keep-alive", **({"X-Auth-Token": token} if token else {})}
    return Server(url=f"{url.rstrip('/')}/v2.0", headers=headers)


@contextmanager
def our_server(listen: str, workers: int = 1) -> Iterator[tuple[Server, int]]:
    """Start ours with nothing in it; give it and its process id."""
    with tempfile.TemporaryDirectory(prefix="portlight-bench-") as folder:
        command = (sys.executable, "-m", "portlight.main.entry", "serve")
        options = ("--state", folder, "--listen", listen, "--workers", str(workers))
        with subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL) as process:
            try:
                wait_for_answer(f"http://{listen}/healthz")
                headers = {"X-Auth-Token": token_from(Path(folder))}
                yield Server(url=f"http://{listen}/v2.0", headers=headers), process.pid
            finally:
                process.send_signal(signal.SIGTERM)


def token_from(state: Path) -> str:
    """Return a token for the project that a new deployment has."""
    known = load_credentials(state)
    domain = {"name": known.user_domain}
    user = {"name": known.username, "password": known.password, "domain": domain}
    auth = {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"name": known.project_name, "domain": domain}},
    }
    answer = httpx.post(f"{known.auth_url}/auth/tokens", json={"auth": auth}, trust_env=False)
    return answer.headers["x-subject-token"]


def wait_for_answer(url: str) -> None:
    """Wait until the server answers."""
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            with urlopen(url, timeout=1):  # noqa: S310 -- our own address
                return
        except OSError:
            assert time.monotonic() < until, f"{url} does not answer"
            time.sleep(0.05)


def resident_megabytes(process: int) -> float:
    """Return what a process has in memory."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    resident = next(line for line in lines if line.startswith("VmRSS"))
    return int(resident.split()[1]) / 1024


def report(ours: list[Outcomes], peers: list[Outcomes]) -> None:
    """Print a Markdown table: rates of ours and of the peer (medians of the rounds), the ratio."""
    print(f"\nLinux {platform.release()}, Python {platform.python_version()}\n")
    print("| What | ours, per second | p50 ms | p99 ms | peer, per second | p50 ms | ratio | due |")
    print("|---|---|---|---|---|---|---|---|")
    for name in ours[0]:
        runs = [one[name] for one in ours]
        rate = median(run.per_second for run in runs)
        waits = sorted(wait for run in runs for wait in run.waits)
        shown = [f"{rate:,.1f}", milliseconds(waits, 0.5), milliseconds(waits, 0.99)]
        if peers:
            theirs = [one[name] for one in peers]
            their_rate = median(run.per_second for run in theirs)
            ratio = rate / their_rate
            waits = sorted(wait for run in theirs for wait in run.waits)
            shown += [f"{their_rate:,.2f}", milliseconds(waits, 0.5)]
            shown += [f"{ratio:,.0f}", f"{DUE.get(name, DUE_OTHERWISE):.0f}"]
        else:
            shown += ["", "", "", ""]
        print(f"| {name} | {' | '.join(shown)} |")


def milliseconds(waits: list[float], share: float) -> str:
    """Return the wait below which this share of all lies."""
    return f"{1000 * waits[min(len(waits) - 1, int(share * len(waits)))]:.1f}"


if __name__ == "__main__":
    main()
