"""A plain Linux router between two namespaces, with and without nftables' destination NAT."""

from collections.abc import Iterator
from contextlib import contextmanager

from bench.commands import inside
from bench.pair import Pair, namespaces

CLIENT_ADDRESS, SERVER_ADDRESS = "10.99.1.10", "10.99.2.10"
PUBLIC_ADDRESS = "203.0.113.99"
_SIDES = (("client", "10.99.1"), ("server", "10.99.2"))


@contextmanager
def router_pair(prefix: str, *, translated: bool = False) -> Iterator[Pair]:
    """Yield two guests with a bridge each, and a router that is in both."""
    names = [f"{prefix}-{part}" for part in ("client", "server", "fabric", "router")]
    with namespaces(names):
        client, server, fabric, router = names
        for side, network in _SIDES:
            inside(fabric, "ip", "link", "add", side, "type", "bridge")
            inside(fabric, "ip", "link", "set", side, "up")
            guest = client if side == "client" else server
            _plug(fabric, side, f"{side}g", guest, "eth0", f"{network}.10")
            _plug(fabric, side, f"{side}r", router, side, f"{network}.1")
            inside(guest, "ip", "route", "add", "default", "via", f"{network}.1")
        inside(router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        if translated:
            inside(router, "nft", "-f", "-", stdin=_TRANSLATION)
        address = PUBLIC_ADDRESS if translated else SERVER_ADDRESS
        yield Pair(name="router", client=client, server=server, server_address=address)


_TRANSLATION = f"""
table ip nat {{
    chain in {{
        type nat hook prerouting priority dstnat
        ip daddr {PUBLIC_ADDRESS} dnat to {SERVER_ADDRESS}
    }}
}}
"""


def _plug(fabric: str, bridge: str, link: str, guest: str, ifname: str, address: str) -> None:  # noqa: PLR0913, PLR0917 -- both ends of a link
    peer = ("type", "veth", "peer", "name", ifname, "netns", guest)
    inside(fabric, "ip", "link", "add", link, *peer)
    inside(fabric, "ip", "link", "set", link, "master", bridge, "up")
    inside(guest, "ip", "address", "add", f"{address}/24", "dev", ifname)
    inside(guest, "ip", "link", "set", ifname, "up")
