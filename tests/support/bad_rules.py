"""Rule sets that cut a TCP session off, made up by chance, and a session that feels it."""

import os
import random
import socket
import sys
import threading
import time
from collections.abc import Iterator

SERVER, PEER, PORT = "10.77.0.1", "10.77.0.2", 7
"""The ends of the session, and the service it uses (RFC 862)."""
_MATCHES = (
    "",
    "-p tcp",
    f"-p tcp -m tcp --{{near}} {PORT}",
    "-m conntrack --ctstate ESTABLISHED",
    "-m conntrack --ctstate NEW,ESTABLISHED",
    f"-{{far}} {PEER}/32",
    f"-{{far}} {PEER}/24",
    "-{interface} eth0",
    "-m statistic --mode random --probability 0.9",
)
_THIN_LINEAR_TIMEOUTS = 16
"""Of TCP (linux/tcp.h): equal waits between repetitions, where they would double each time."""
_HARMLESS = (
    "-A INPUT -p udp -m udp --dport 53 -j ACCEPT",
    "-A INPUT -i lo -j ACCEPT",
    "-A INPUT -s 192.0.2.0/24 -j DROP",
    "-A OUTPUT -p tcp -m tcp --dport 443 -j ACCEPT",
    "-A FORWARD -j REJECT --reject-with icmp-port-unreachable",
    "-A INPUT -p icmp -j LOG",
)
_ENDS = {
    "filter": ("DROP", "REJECT --reject-with icmp-port-unreachable"),
    "mangle": ("DROP",),
    "raw": ("DROP",),
}
_CHAINS = {
    "filter": ("INPUT", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "raw": ("PREROUTING", "OUTPUT"),
}
_OUTWARD = ("OUTPUT", "POSTROUTING")


def bad_rule_set(chance: random.Random) -> str:
    """Return a save file after which the session gets no answer any more."""
    table = chance.choice(list(_CHAINS))
    chain = chance.choice(_CHAINS[table])
    filler = chance.sample(_HARMLESS, chance.randrange(len(_HARMLESS))) if table == "filter" else []
    if table == "filter" and chance.random() < 1 / 4:
        return _file(table, filler, {chain: "DROP"})
    rules = [*filler, _bad_rule(chance, table, chain)]
    if table == "filter" and chance.random() < 1 / 4:
        rules = [rule.replace(f"-A {chain} ", "-A maze ") for rule in rules]
        return _file(table, [*rules, f"-A {chain} -j maze"], {"maze": "-"})
    chance.shuffle(rules)
    return _file(table, rules, {})


def _bad_rule(chance: random.Random, table: str, chain: str) -> str:
    outward = chain in _OUTWARD
    # Connection states are not known yet where `raw` is asked.
    known = [one for one in _MATCHES if table != "raw" or "conntrack" not in one]
    match = chance.choice(known).format(
        near="sport" if outward else "dport",
        far="d" if outward else "s",
        interface="o" if outward else "i",
    )
    return " ".join(f"-A {chain} {match} -j {chance.choice(_ENDS[table])}".split())


def _file(table: str, rules: list[str], special: dict[str, str]) -> str:
    builtin = {
        "filter": ("INPUT", "FORWARD", "OUTPUT"),
        "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
        "raw": ("PREROUTING", "OUTPUT"),
    }[table]
    policies = {**dict.fromkeys(builtin, "ACCEPT"), **special}
    chains = [f":{chain} {policy} [0:0]" for chain, policy in policies.items()]
    return "\n".join([f"*{table}", *chains, *rules, "COMMIT", ""])


def feel() -> Iterator[float]:
    """Yield the moments at which the session answers; a session that is dead begins anew."""
    while True:
        try:
            with socket.create_connection((SERVER, PORT), timeout=0.5) as session:
                session.settimeout(None)
                _repeat_evenly(session)
                yield from _answers(session)
        except OSError:
            time.sleep(0.02)


def _answers(session: socket.socket) -> Iterator[float]:
    """Yield while the session lives; a peer that is silent for long is asked anew."""
    session.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 20_000)
    while True:
        session.sendall(b".")
        if not session.recv(1):
            return
        yield time.clock_gettime(time.CLOCK_BOOTTIME)
        time.sleep(0.02)


def serve() -> None:
    """Send back what comes, to everyone."""
    listener = socket.create_server((SERVER, PORT))
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_echo, args=(connection,), daemon=True).start()


def _repeat_evenly(session: socket.socket) -> None:
    """Let TCP not wait for longer and longer: that would be measured, not when the way is back."""
    session.setsockopt(socket.IPPROTO_TCP, _THIN_LINEAR_TIMEOUTS, 1)


def _echo(connection: socket.socket) -> None:
    try:
        _repeat_evenly(connection)
        while data := connection.recv(4096):
            connection.sendall(data)
    except OSError:
        connection.close()


def change() -> None:
    """Apply each rule set that standard input names, under guard, in a fork of this process."""
    from portlight.guest.entry import main  # noqa: PLC0415 -- the two others need none of it

    # Not sys.stdin: the command sets that up for itself, before its first read.
    with os.fdopen(0, closefd=False) as files:
        for line in files:
            status = main(["firewall", "restore", "--force", "--json", *line.split()])
            tell(status)


def tell(value: float) -> None:
    sys.stdout.write(f"{value}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "feel":
        for moment in feel():
            tell(moment)
    else:
        {"serve": serve, "change": change}[sys.argv[1]]()
