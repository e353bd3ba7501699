"""Frames that are interesting in a topology: own and foreign sources, flows and answers to them,
fragments, errors about earlier packets, and damage.

Seeded and quick, for millions of them; Hypothesis may hand in its own random source.
"""

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from random import Random

from tests.support import wire_format as wire
from tests.support.builders import mac
from tests.support.worlds import PORT_NUMBERS, PROTOCOLS, VIRTUAL_IPS

from portlight.core.packet import PORT_PROTOCOLS
from portlight.core.port import OWNER_ROUTER_INTERFACE, OWNER_VIRTUAL_IP, Port
from portlight.core.security_group import Direction
from portlight.core.topology import Topology
from portlight.core.verdict import Frame
from portlight.values.addresses import IpAddress, MacAddress, virtual_router_mac
from portlight.values.ids import PortId
from portlight.values.verdict import DropReason

EGRESS, INGRESS = Direction.EGRESS, Direction.INGRESS
NOT_JUDGED_HERE = {
    DropReason.MTU_EXCEEDED,
    DropReason.INTERNAL_ERROR,
    DropReason.NO_ROUTE,
    DropReason.ROUTE_BLACKHOLE,
    DropReason.NOT_TRANSLATED,
}
"""What no frame from here dies of: the last three are the routers'."""
ETHERTYPE = {4: 0x0800, 6: 0x86DD}
OUTSIDE = ("192.0.2.9", "198.51.100.1", "2001:db8::9", "2001:db9::1")
VXLAN_PORT = 4789
UNSPECIFIED = str(IPv4Address(0))
ODD = (UNSPECIFIED, "255.255.255.255", "224.0.0.18", "::", "ff02::1", "ff02::12", "fe80::1")
TCP_FLAGS = (0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x14, 0x00, 0x01, 0x29)


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame, and where it is tried."""

    port: int
    direction: Direction
    frame: Frame


@dataclass(frozen=True, slots=True)
class Sent:
    """An earlier packet that later ones refer to."""

    shot: Shot
    packet: bytes
    """From the IP header on."""


class FrameMaker:
    """Makes one frame after the other; remembers the last ones to answer, repeat and break them."""

    def __init__(self, random: Random, topology: Topology) -> None:
        self._random = random
        self._recent: deque[Sent] = deque(maxlen=24)
        self._flows: deque[Sent] = deque(maxlen=30)
        self._rivals: list[tuple[Port, IpAddress]] = []
        """Members that will contend for an address soon."""
        self._last: Sent | None = None
        self.look_at(topology)

    def look_at(self, topology: Topology) -> None:
        """Go on in a changed topology."""
        self._rivals.clear()
        ports = sorted(topology.ports.values(), key=lambda port: port.number)
        self._ports = [port for port in ports if port.number < 40]
        own = [fixed.address for port in ports for fixed in port.fixed_ips]
        lent = [pair.prefix[0] for port in ports for pair in port.allowed_address_pairs]
        old = [retired.fixed_ip.address for port in ports for retired in port.retired_ips]
        local: list[IpAddress] = [port.mac.link_local for port in ports]
        fixed = [ip_address(text) for text in (*VIRTUAL_IPS, *OUTSIDE, *ODD)]
        every = [*own, *own, *lent, *old, *local, *fixed]
        self._shared: dict[PortId, list[IpAddress]] = {}
        for vip in topology.virtual_ips.values():
            for member in vip.members:
                self._shared.setdefault(member.port_id, []).append(vip.address)
        self._addresses = {
            version: [address for address in every if address.version == version]
            for version in (4, 6)
        }
        legs = [port for port in ports if port.device_owner == OWNER_ROUTER_INTERFACE]
        self._router_macs = [port.mac for port in legs]
        self._gateways = {port.network_id: port.mac for port in legs}
        self._macs = [port.mac for port in ports] + [
            mac(90),
            mac(91),
            mac("01:00:5e:00:00:01"),
            virtual_router_mac(7, 4),
            virtual_router_mac(7, 6),
            *(port.mac for port in ports if port.device_owner == OWNER_VIRTUAL_IP),
        ]

    def shot(self) -> Shot:
        """Return the next frame to try."""
        if self._rivals and self._random.random() < 0.7:
            return self._claim(*self._rivals.pop())
        pool = self._flows if self._random.random() < 0.5 else self._recent
        self._last = None
        if pool and self._random.random() < 0.7:
            shot = self._variation(self._random.choice(pool))
        else:
            shot = self._fresh()
        if self._random.random() < 0.06:
            self._last = None
            return self._damaged(shot)
        return shot

    def was_allowed(self) -> None:
        """Hear that the last frame was: flows are made of such."""
        if self._last is not None:
            self._flows.append(self._last)

    # Fresh packets

    def _fresh(self) -> Shot:
        random = self._random
        port = random.choice(self._ports) if self._ports else None
        number = port.number if port and random.random() < 0.99 else 777
        direction = EGRESS if random.random() < 0.6 else INGRESS
        kind = random.random()
        if port is not None and kind < 0.15 and self._shared.get(port.id):
            return self._contend(port, random.choice(self._shared[port.id]))
        if port is not None and kind > 0.85 and port.network_id in self._gateways:
            return self._outward(port)
        if port is None or kind < 0.06:
            payload = self._arp(port)
            return self._shot(number, direction, port, 0x0806, payload)
        version = random.choice((4, 4, 6))
        source, destination = self._ends(port, direction, version)
        protocol, upper, hops = self._upper(source)
        packet = self._ip(source, destination, protocol, upper, hops)
        shot = self._shot(number, direction, port, ETHERTYPE[version], packet)
        self._last = Sent(shot, packet)
        self._recent.append(self._last)
        return shot

    def _outward(self, port: Port) -> Shot:
        """Let a guest send to a router what is for the world."""
        source, world = self._own_address(port, 4), ip_address(OUTSIDE[0])
        packet = wire.ip(source, world, 17, wire.udp(40000, 53, bytes(8)))
        router = self._gateways[port.network_id]
        frame = Frame(data=wire.ethernet(port.mac, packet, ETHERTYPE[4], router))
        self._last = Sent(Shot(port.number, EGRESS, frame), packet)
        self._recent.append(self._last)
        return self._last.shot

    def _contend(self, port: Port, address: IpAddress) -> Shot:
        """Let a member claim an address now, and the others (and itself again) soon."""
        members = [one for one in self._ports if address in self._shared.get(one.id, ())]
        count = self._random.choice((0, 1, 3))
        self._rivals = [(self._random.choice(members), address) for _ in range(count)]
        return self._claim(port, address)

    def _claim(self, port: Port, address: IpAddress) -> Shot:
        """Let a member claim its virtual IP, rightly or not: by ARP, advertisement or VRRP."""
        random, mine = self._random, random_mac(self._random, port)
        own: list[IpAddress] = [one.address for one in port.fixed_ips]
        source = random.choice([one for one in own if one.version == address.version] or [address])
        priority = random.choice((0, 50, 100, 100, 100, 150))
        if random.random() < 0.4:
            raw = wire.vrrp(3, 7, priority, [address])
            packet = wire.ip(source, address, 112, raw, hop_limit=255)
        elif isinstance(address, IPv6Address):
            flags = random.choice((0x00, 0x20, 0x40, 0x60))
            raw = wire.neighbour(136, address, flags, wire.link_layer_option(2, mine))
            packet = wire.ip(source, address, 58, raw, hop_limit=255)
        else:
            target = random.choice((address, self._address(4)))
            assert isinstance(target, IPv4Address)
            packet = wire.arp(mine, address, target, random.choice((1, 2)))
            frame = Frame(data=wire.ethernet(mine, packet, 0x0806))
            return Shot(port.number, EGRESS, frame)
        ethertype = ETHERTYPE[address.version]
        return Shot(port.number, EGRESS, Frame(data=wire.ethernet(mine, packet, ethertype)))

    def _shot(
        self, number: int, direction: Direction, port: Port | None, ethertype: int, payload: bytes
    ) -> Shot:
        random = self._random
        guest = port.mac if port else mac(1)
        if random.random() < 0.1:
            guest = random.choice(self._macs)
        peer = random.choice([*self._macs, wire.BROADCAST])
        if self._router_macs and random.random() < 0.3:
            peer = random.choice(self._router_macs)
        source, destination = (guest, peer) if direction is EGRESS else (peer, guest)
        data = wire.ethernet(source, payload, ethertype, destination)
        return Shot(number, direction, Frame(data=data))

    def _address(self, version: int) -> IpAddress:
        return self._random.choice(self._addresses[version])

    def _own_address(self, port: Port, version: int) -> IpAddress:
        own = [one.address for one in port.fixed_ips if one.address.version == version]
        shared = [one for one in self._shared.get(port.id, ()) if one.version == version]
        if shared and self._random.random() < 0.25:
            return self._random.choice(shared)
        if not own or self._random.random() < 0.15:
            return self._address(version)
        return self._random.choice(own)

    def _ends(self, port: Port, direction: Direction, version: int) -> tuple[IpAddress, IpAddress]:
        own, other = self._own_address(port, version), self._address(version)
        return (own, other) if direction is EGRESS else (other, own)

    def _arp(self, port: Port | None) -> bytes:
        random = self._random
        mine = port.mac if port and random.random() < 0.85 else random.choice(self._macs)
        sender, target = self._address(4), self._address(4)
        if port and random.random() < 0.5:
            sender = self._own_address(port, 4)
        if random.random() < 0.3:
            target = sender
        assert isinstance(sender, IPv4Address)
        assert isinstance(target, IPv4Address)
        return wire.arp(mine, sender, target, random.choice((1, 2)))

    def _upper(self, source: IpAddress) -> tuple[int, bytes, int]:
        """Return a protocol, its header with data, and a hop limit."""
        random, version = self._random, source.version
        protocol = random.choice((6, 6, 6, 17, 17, 1, 58, 58, *PROTOCOLS))
        hops = random.choice((64, 64, 255, 1))
        data = bytes(random.choice((0, 8, 20, 64)))
        if protocol in PORT_PROTOCOLS:
            return protocol, self._ported(protocol, data), hops
        if protocol == 58 and version == 6 and random.random() < 0.6:
            return protocol, self._discovery(source), random.choice((255, 255, 255, 64))
        if protocol in {1, 58}:
            kinds = (8, 8, 0, 0, 3, 11, 5, 13) if protocol == 1 else (128, 128, 129, 129, 1, 4, 139)
            code, identifier = random.choice((0, 0, 0, 1)), random.choice((7, 8))
            return protocol, wire.icmp(random.choice(kinds), code, identifier, data), hops
        if protocol == 112:
            return protocol, self._vrrp(version), 255
        return protocol, data, hops

    def _ported(self, protocol: int, data: bytes) -> bytes:
        random = self._random
        ports = [random.choice((*PORT_NUMBERS, 40000, 40001)) for _ in range(2)]
        if protocol == 6:
            return wire.tcp(ports[0], ports[1], random.choice(TCP_FLAGS), data)
        if protocol == 17:
            if random.random() < 0.2:
                ports = list(random.choice(((67, 68), (68, 67), (546, 547), (547, 546))))
            elif random.random() < 0.2:
                ports[1] = VXLAN_PORT
            return wire.udp(ports[0], ports[1], data)
        return wire.ported(protocol, ports[0], ports[1], data)

    def _discovery(self, source: IpAddress) -> bytes:
        random = self._random
        kind = random.choice((133, 134, 135, 135, 136, 136, 137, 130, 143))
        target = source if random.random() < 0.4 else self._address(6)
        assert isinstance(target, IPv6Address)
        options = b""
        if random.random() < 0.5:
            option = random.choice((1, 2, 14))
            option_mac = random.choice(self._macs)
            options = wire.link_layer_option(option, option_mac)
        if random.random() < 0.05:
            options = random.choice((b"\1", b"\1\0", b"\2\2" + bytes(6), bytes(8)))
        flags = random.choice((0, 0x20, 0x40, 0x60, 0xA0))
        raw = wire.neighbour(kind, target, flags, options)
        return raw if random.random() < 0.95 else raw[: random.randint(4, 24)]

    def _vrrp(self, version: int) -> bytes:
        random = self._random
        count = random.choice((1, 1, 2, 20, 21))
        addresses = [self._address(version) for _ in range(count)]
        addresses[0] = random.choice(
            [address for address in map(ip_address, VIRTUAL_IPS) if address.version == version]
        )
        kind = random.choice((2, 3, 3)) if version == 4 else random.choice((2, 3, 3, 3))
        return wire.vrrp(kind, 7, random.choice((0, 1, 100, 150, 255)), addresses)

    def _ip(
        self, source: IpAddress, destination: IpAddress, protocol: int, upper: bytes, hops: int
    ) -> bytes:
        """Return a whole packet, or the first part of one; with options or extensions at times."""
        random = self._random
        more = random.random() < 0.07
        if more:
            upper += bytes(-len(upper) % 8)
        identification = random.choice((1, 2))
        if source.version == 4:
            options = bytes(random.choice((0, 0, 0, 0, 4, 40)))
            return wire.ip(
                source,
                destination,
                protocol,
                upper,
                hop_limit=hops,
                identification=identification,
                fragment=0x2000 if more else random.choice((0, 0x4000)),
                options=options,
            )
        if more or random.random() < 0.03:
            upper = wire.ipv6_fragment(protocol, 0, identification, more=more) + upper
            protocol = 44
        if random.random() < 0.08:
            for _ in range(random.choice((1, 1, 2, 7, 8, 9))):
                upper = wire.extension(protocol, random.choice((0, 0, 1, 5))) + upper
                protocol = random.choice((0, 43, 60))
        return wire.ip(source, destination, protocol, upper, hop_limit=hops)

    # Packets that refer to earlier ones

    def _variation(self, sent: Sent) -> Shot:
        kind = self._random.choice(_VARIATIONS)
        return kind(self, sent)

    def again(self, sent: Sent) -> Shot:
        """Repeat it, with other TCP flags when it is TCP."""
        packet = bytearray(sent.packet)
        start = _upper_offset(packet)
        is_tcp = packet[9 if packet[0] >> 4 == 4 else 6] == 6
        if is_tcp and len(packet) > start + 13:
            packet[start + 13] = self._random.choice(TCP_FLAGS)
        return self._reframed(sent.shot, bytes(packet), answer=False)

    def answer(self, sent: Sent) -> Shot:
        """Turn it round: addresses, ports and echo; at the same port in the other direction."""
        packet = bytearray(_turned(sent.packet))
        start = _upper_offset(packet)
        protocol = packet[9 if packet[0] >> 4 == 4 else 6]
        if len(packet) >= start + 4:
            if protocol in {6, 17, 33, 132, 136}:
                ports = packet[start : start + 4]
                packet[start : start + 4] = ports[2:] + ports[:2]
            elif protocol in {1, 58}:
                packet[start] = {8: 0, 0: 8, 128: 129, 129: 128}.get(packet[start], packet[start])
        if protocol == 6 and len(packet) > start + 13:
            packet[start + 13] = self._random.choice((0x12, 0x12, 0x10, 0x11, 0x14))
        return self._reframed(sent.shot, bytes(packet), answer=True)

    def error(self, sent: Sent) -> Shot:
        """Report an ICMP error about it, from its receiver or a router on the way."""
        random, version = self._random, sent.packet[0] >> 4
        size = 4 if version == 4 else 16
        start = 12 if version == 4 else 8
        receiver = sent.packet[start + size : start + 2 * size]
        reporter = ip_address(receiver) if random.random() < 0.6 else self._address(version)
        source = ip_address(sent.packet[start : start + size])
        quoted = sent.packet[: random.choice((1500, 1500, 76, 48, 28, 27, 20, 0))]
        kind = random.choice((3, 11, 12, 4) if version == 4 else (1, 2, 3, 4))
        raw = wire.icmp(kind, random.choice((0, 1, 3, 4)), 0, quoted)
        packet = self._ip(reporter, source, 1 if version == 4 else 58, raw, 64)
        return self._reframed(sent.shot, packet, answer=True)

    def later_part(self, sent: Sent) -> Shot:
        """Send a later part of the datagram whose first part it may have been."""
        random, packet = self._random, sent.packet
        offset = random.choice((8, 16, 24, 64, 1480, 65528))
        more = random.random() < 0.3
        data = bytes(random.choice((8, 16, 20)))
        size = 4 if packet[0] >> 4 == 4 else 16
        start = 12 if size == 4 else 8
        source = ip_address(packet[start : start + size])
        destination = ip_address(packet[start + size : start + 2 * size])
        identification = random.choice((1, 2))
        if size == 4:
            place = offset // 8 | (0x2000 if more else 0)
            raw = wire.ip(
                source,
                destination,
                packet[9],
                data,
                identification=identification,
                fragment=place,
            )
        else:
            inner = packet[40] if packet[6] == 44 else packet[6]
            head = wire.ipv6_fragment(inner, offset & 0xFFF8, identification, more=more)
            raw = wire.ip(source, destination, 44, head + data)
        return self._reframed(sent.shot, raw, answer=False)

    def at_another_port(self, sent: Sent) -> Shot:
        """Try it where it does not belong."""
        number = self._random.choice([port.number for port in self._ports] or [777])
        return Shot(number, self._random.choice((EGRESS, INGRESS)), sent.shot.frame)

    def _reframed(self, shot: Shot, packet: bytes, *, answer: bool) -> Shot:
        frame = shot.frame.data
        head = frame[6:12] + frame[:6] if answer else frame[:12]
        data = head + frame[12:14] + packet + bytes(self._random.choice((0, 0, 6)))
        other = INGRESS if shot.direction is EGRESS else EGRESS
        fresh = Shot(shot.port, other if answer else shot.direction, Frame(data=data))
        self._last = Sent(fresh, packet)
        if self._random.random() < 0.5:
            self._recent.append(self._last)
        return fresh

    # Damage

    def _damaged(self, shot: Shot) -> Shot:
        random, data = self._random, bytearray(shot.frame.data)
        kind = random.randint(0, 4)
        if kind == 0:
            data = data[: random.randint(14, len(data))]
        elif kind == 1:
            data[random.randrange(12, min(len(data), 80))] = random.randrange(256)
        elif kind == 2:
            data[12:14] = struct.pack("!H", random.choice((0x8100, 0x88A8, 0x8847, 0x0806, 0x86DD)))
        elif kind == 3 and len(data) > 18:
            # The length field of IPv4 or IPv6.
            place = 16 if data[14] >> 4 == 4 else 18
            data[place : place + 2] = struct.pack("!H", random.choice((0, 1, 19, 20, 28, 1500)))
        elif kind == 4 and len(data) > 40:
            data[random.randrange(34, len(data))] = random.randrange(256)
        return Shot(shot.port, shot.direction, Frame(data=bytes(data)))


def random_mac(random: Random, port: Port) -> MacAddress:
    """Return the MAC of a member: mostly its own, else the VRRP virtual one."""
    return random.choice((port.mac, port.mac, virtual_router_mac(7, 4), virtual_router_mac(7, 6)))


_VARIATIONS: tuple[Callable[[FrameMaker, Sent], Shot], ...] = (
    FrameMaker.again,
    FrameMaker.again,
    FrameMaker.answer,
    FrameMaker.answer,
    FrameMaker.answer,
    FrameMaker.error,
    FrameMaker.later_part,
    FrameMaker.at_another_port,
)


def _upper_offset(packet: bytes | bytearray) -> int:
    return (packet[0] & 15) * 4 if packet[0] >> 4 == 4 else 40


def _turned(packet: bytes) -> bytes:
    """Return the packet with its addresses exchanged."""
    start, size = (12, 4) if packet[0] >> 4 == 4 else (8, 16)
    source, destination = packet[start : start + size], packet[start + size : start + 2 * size]
    return packet[:start] + destination + source + packet[start + 2 * size :]
