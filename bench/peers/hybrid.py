"""Iptables with physdev matches on a bridge, in the chains of Neutron's hybrid firewall driver.

Kinder to the peer than the original: one bridge where the original has a second one and an Open
vSwitch behind it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from bench.commands import inside
from bench.pair import (
    CLIENT_ADDRESS,
    CLIENT_MAC,
    SERVER_ADDRESS,
    SERVER_MAC,
    Pair,
    Wiring,
    add_bridge,
    wired,
)
from bench.rule_sets import AllowRule, allow_rules


@contextmanager
def hybrid_pair(prefix: str, rules: int) -> Iterator[Pair]:
    """Yield a pair on a bridge whose frames pass iptables; both ports have the same group."""
    with wired("iptables", prefix) as wiring:
        add_bridge(wiring)
        inside(wiring.fabric, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1")
        text = "\n".join(render_chains(wiring, allow_rules(rules)))
        inside(wiring.fabric, "iptables-restore", stdin=text + "\n")
        yield wiring.pair


def render_chains(wiring: Wiring, rules: tuple[AllowRule, ...]) -> Iterator[str]:
    """Yield the input of iptables-restore."""
    ports = (
        (wiring.client_link, CLIENT_ADDRESS, CLIENT_MAC),
        (wiring.server_link, SERVER_ADDRESS, SERVER_MAC),
    )
    yield "*filter"
    yield ":FORWARD DROP"
    yield ":sg-chain -"
    for link, _, _ in ports:
        yield from (f":{side}-{link} -" for side in ("in", "out", "source"))
    for link, _, _ in ports:
        for way in ("out", "in"):
            yield f"-A FORWARD -m physdev --physdev-{way} {link} --physdev-is-bridged -j sg-chain"
        # `--physdev-out` is what leaves the bridge toward the guest: the guest's ingress.
        yield f"-A sg-chain -m physdev --physdev-out {link} --physdev-is-bridged -j in-{link}"
        yield f"-A sg-chain -m physdev --physdev-in {link} --physdev-is-bridged -j out-{link}"
    yield "-A sg-chain -j ACCEPT"
    for link, address, mac in ports:
        yield from _egress(link, address, mac)
        yield from _ingress(link, rules)
    yield "COMMIT"


def _egress(link: str, address: str, mac: str) -> Iterator[str]:
    yield f"-A source-{link} -s {address}/32 -m mac --mac-source {mac} -j RETURN"
    yield f"-A source-{link} -j DROP"
    yield f"-A out-{link} -p udp -m udp --sport 68 --dport 67 -j RETURN"
    yield f"-A out-{link} -j source-{link}"
    yield f"-A out-{link} -p udp -m udp --sport 67 --dport 68 -j DROP"
    yield f"-A out-{link} -m state --state RELATED,ESTABLISHED -j RETURN"
    yield f"-A out-{link} -j RETURN"


def _ingress(link: str, rules: Iterable[AllowRule]) -> Iterator[str]:
    yield f"-A in-{link} -m state --state RELATED,ESTABLISHED -j RETURN"
    for rule in rules:
        yield (
            f"-A in-{link} -s {rule.prefix} -p {rule.protocol} -m {rule.protocol}"
            f" --dport {rule.first_port}:{rule.last_port} -j RETURN"
        )
    yield f"-A in-{link} -m state --state INVALID -j DROP"
    yield f"-A in-{link} -j DROP"
