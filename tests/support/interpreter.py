"""The second witness: what a compiled plan says about a frame.

Walks a HostPlan as the kernel programs do, from the same page (docs/design/packet-path.md), and
knows no security group. Shares with the model only the reading of bytes (core/packet.py). Unlike
the model it keeps its memory itself, so a test compares long sequences and not single answers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import NoReturn

from portlight.core.packet import Arp, Ip, Packet, parse_packet
from portlight.core.verdict import Frame
from portlight.plan.classifier import Action, ClassifierRule, RuleFlag
from portlight.plan.delta import delta
from portlight.plan.host import HostPlan, PortPlan, VirtualIpPlan
from portlight.plan.mirror import session_of
from portlight.values.addresses import IpAddress, MacAddress
from portlight.values.prefixes import PrefixSet
from portlight.values.verdict import Allow, Drop, DropReason, Verdict

EGRESS, INGRESS = "egress", "ingress"
SILENCE = 3.5
PORTED = (6, 17, 33, 132, 136)
LIVES = {6: (120, 432000), 17: (30, 180), 136: (30, 180), 132: (120, 3600), 33: (120, 3600)}
ALLOW = Allow()

FlowKey = tuple[int, int, IpAddress, IpAddress, bytes, bytes, str]
"""Port, protocol, local and remote address, their values, who asks with an echo."""


class Dropped(Exception):  # noqa: N818 -- a way out of the walk, not an error
    """Leaves the walk with a reason."""

    def __init__(self, reason: DropReason) -> None:
        super().__init__(reason.label)
        self.reason = reason


class Passed(Exception):  # noqa: N818 -- a way out of the walk, not an error
    """Leaves the walk: nothing further is asked."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a classifier is asked."""

    direction: str
    protocol: int
    local: IpAddress
    remote: IpAddress
    source_port: int
    destination_port: int
    icmp: int | None


@dataclass(slots=True)
class Entry:
    """A flow, as the kernel's table holds it."""

    key: FlowKey
    opened_by: str
    epoch: int
    keep: bool
    seen: float
    replied: bool = False
    ends: set[str] = field(default_factory=set)
    revoked: bool = False

    def lives(self, now: float) -> bool:
        protocol = self.key[1]
        if self.revoked:
            life = 120
        elif self.key[-1]:
            life = 30
        elif protocol == 6 and self.closing:
            life = 10
        else:
            life = LIVES.get(protocol, (60, 600))[self.replied]
        return now - self.seen <= life

    @property
    def closing(self) -> bool:
        return "reset" in self.ends or {EGRESS, INGRESS} <= self.ends


@dataclass(slots=True)
class Holder:
    """Who owns a virtual IP."""

    port: int
    seen: float
    priority: int = 0


@dataclass(slots=True)
class Interpreter:
    """A host that is only its plan."""

    plan: HostPlan = field(default_factory=HostPlan)
    epoch: int = 1
    flows: dict[FlowKey, Entry] = field(default_factory=dict)
    firsts: dict[tuple[object, ...], float] = field(default_factory=dict)
    holders: dict[tuple[int, IpAddress], Holder] = field(default_factory=dict)

    def load(self, plan: HostPlan) -> None:
        """Take another plan: flows are judged again, and who is no member any more owns nothing."""
        change = delta(plan.virtual_ips, self.plan.virtual_ips)
        self.plan = plan
        self.epoch += 1
        for key in list(self.holders):
            vip = plan.virtual_ips.get(key)
            if vip is None or all(member.port != self.holders[key].port for member in vip.members):
                del self.holders[key]
        for key, vip in change.put.items():
            if any(member.port == vip.pinned_owner for member in vip.members):
                known = self.holders.get(key)
                if known is None or known.port != vip.pinned_owner:
                    self.holders[key] = Holder(vip.pinned_owner, float("-inf"))
            elif vip.claim_policy == "frozen":
                self.holders.pop(key, None)

    def judge(self, port: int, direction: str, frame: Frame, now: float) -> Verdict:
        entry = self.plan.ports.get(port)
        if entry is None:
            return Drop(DropReason.PORT_UNKNOWN)
        if not entry.up:
            return Drop(DropReason.PORT_DOWN)
        if not entry.secured:
            return ALLOW
        packet = parse_packet(frame.data, vlan_tagged=frame.vlan_tagged)
        if isinstance(packet, DropReason):
            return Drop(packet)
        walk = _Walk(self, port, entry, direction, packet, now)
        try:
            walk.run()
        except Dropped as dropped:
            return Drop(dropped.reason)
        return ALLOW

    def copies(self, port: int, direction: str, frame: Frame, verdict: Verdict) -> list[int]:
        """Return the numbers of the sessions that want a copy (docs/design/mirroring.md)."""
        entry, source = self.plan.ports.get(port), self.plan.mirror_sources.get(port)
        packet = parse_packet(frame.data, vlan_tagged=frame.vlan_tagged)
        if entry is None or source is None or not (entry.mirrored and entry.up):
            return []
        if isinstance(packet, DropReason) or not isinstance(packet.content, Ip):
            return []
        if never_mirrored(packet.content):
            return []
        passed = not isinstance(verdict, Drop)
        chains = {
            (EGRESS, True): source.egress,
            (INGRESS, True): source.ingress,
            (EGRESS, False): source.dropped_egress,
            (INGRESS, False): source.dropped_ingress,
        }[direction, passed]
        asked = mirror_question(packet.content, direction)
        answers = [
            [rule for rule in self.plan.classifiers[key].rules if rule_matches(rule, asked)]
            for key in chains
        ]
        first = [matching[0] for matching in answers if matching]
        return [session_of(rule.label) for rule in first if rule.action is Action.ALLOW]


def never_mirrored(ip: Ip) -> bool:
    """DHCP, the metadata service, and complaints about copies."""
    if ip.protocol == 17 and {ip.source_port, ip.destination_port} == (
        {67, 68} if ip.family == 4 else {546, 547}
    ):
        return True
    if "169.254.169.254" in (str(ip.source), str(ip.destination)):
        return True
    quoted = ip.payload[8:]
    if ip.family != 4 or ip.icmp_type != 3 or len(quoted) < 20 or quoted[9] != 17:
        return False
    return quoted[(quoted[0] & 15) * 4 :][2:4] == bytes((0x12, 0xB5))


def mirror_question(ip: Ip, direction: str) -> Asked:
    local, remote = _Walk.sides(ip.source, ip.destination, direction)
    icmp = ip.icmp_type << 8 | ip.icmp_code if ip.icmp_type is not None else None
    return Asked(direction, ip.protocol, local, remote, ip.source_port, ip.destination_port, icmp)


@dataclass(slots=True)
class _Walk:
    """One packet on its way through one port."""

    host: Interpreter
    number: int
    port: PortPlan
    direction: str
    packet: Packet
    now: float

    def run(self) -> None:
        try:
            if self.direction == EGRESS:
                self.source()
            else:
                self.delivery()
            self.flow()
        except Passed:
            pass
        content = self.packet.content
        if isinstance(content, Ip) and content.fragment and content.fragment.is_first:
            self.host.firsts[self.fragment_key(content)] = self.now

    # Section 2

    def bound(self, mac: MacAddress, address: IpAddress) -> bool:
        return any(
            binding.port == self.number and binding.mac == mac and address in binding.prefix
            for binding in self.host.plan.bindings
        )

    def source(self) -> None:
        mac, content = self.packet.source_mac, self.packet.content
        known = {binding.mac for binding in self.host.plan.bindings if binding.port == self.number}
        if mac.is_multicast or mac not in known | {self.port.mac}:
            raise Dropped(DropReason.SPOOFED_MAC)
        if isinstance(content, Arp):
            self.arp(content)
        ports = (content.source_port, content.destination_port)
        if content.protocol == 17 and ports == ((67, 68) if content.family == 4 else (547, 546)):
            raise Dropped(DropReason.ROGUE_DHCP_SERVER)
        if content.family == 4:
            self.ipv4(content, ports)
        else:
            self.ipv6(content, ports)
        self.held_elsewhere(content.source)
        if content.protocol == 112 and content.fragment is None:
            for address, priority in vrrp_addresses(content):
                self.claim(address, announcement=True, priority=priority)

    def arp(self, arp: Arp) -> NoReturn:
        if arp.sender_mac != self.packet.source_mac:
            raise Dropped(DropReason.SPOOFED_ARP)
        if int(arp.sender_ip) and not self.bound(arp.sender_mac, arp.sender_ip):
            raise Dropped(DropReason.SPOOFED_ARP)
        to_all = self.packet.destination_mac.is_multicast
        if not self.claim(arp.sender_ip, announcement=to_all and arp.sender_ip == arp.target_ip):
            raise Dropped(DropReason.VIRTUAL_IP_NOT_OWNER)
        raise Passed

    def ipv4(self, ip: Ip, ports: tuple[int, int]) -> None:
        bound = self.bound(self.packet.source_mac, ip.source)
        if ip.protocol == 17 and ports == (68, 67):
            seeking = int(ip.source) == 0 and int(ip.destination) == 0xFFFFFFFF
            if seeking or bound:
                raise Passed
        if not bound and self.port.checked:
            raise Dropped(DropReason.SPOOFED_IPV4)

    def ipv6(self, ip: Ip, ports: tuple[int, int]) -> None:
        if ip.icmp_type in (134, 137):
            raise Dropped(DropReason.ROGUE_ROUTER_ADVERTISEMENT)
        bound = self.bound(self.packet.source_mac, ip.source)
        if is_discovery(ip):
            if not bound and (int(ip.source) or ip.icmp_type == 136):
                raise Dropped(DropReason.SPOOFED_IPV6)
            self.neighbour(ip)
            raise Passed
        if not bound and self.port.checked:
            raise Dropped(DropReason.SPOOFED_IPV6)
        if bound and ip.protocol == 17 and ports == (546, 547):
            raise Passed

    def neighbour(self, ip: Ip) -> None:
        if ip.icmp_type not in (135, 136):
            return
        if len(ip.payload) < 24:
            raise Dropped(DropReason.MALFORMED)
        target, options = ip_address(ip.payload[8:24]), ip.payload[24:]
        own = ip.icmp_type == 136 or not int(ip.source)
        if own and not self.bound(self.packet.source_mac, target):
            raise Dropped(DropReason.SPOOFED_ND)
        if options:
            if len(options) == 1 or not options[1] or options[1] * 8 > len(options):
                raise Dropped(DropReason.MALFORMED)
            speaks = options[0] == ip.icmp_type - 134
            if speaks and options[2:8] != self.packet.source_mac.packed:
                raise Dropped(DropReason.SPOOFED_ND)
        if ip.icmp_type == 136 and not self.claim(target, announcement=not ip.payload[4] & 0x40):
            raise Dropped(DropReason.VIRTUAL_IP_NOT_OWNER)

    # Section 3

    def membership(self, address: IpAddress) -> VirtualIpPlan | None:
        vip = self.host.plan.virtual_ips.get((self.port.network, address))
        is_member = vip is not None and any(member.port == self.number for member in vip.members)
        return vip if is_member else None

    def owner(self, vip: VirtualIpPlan, address: IpAddress) -> Holder | None:
        holder = self.host.holders.get((self.port.network, address))
        if vip.claim_policy == "frozen" and (holder is None or holder.port != vip.pinned_owner):
            holder = Holder(vip.pinned_owner, 0) if vip.pinned_owner else None
        members = [member.port for member in vip.members]
        return holder if holder is not None and holder.port in members else None

    def held_elsewhere(self, address: IpAddress) -> None:
        vip = self.membership(address)
        owner = self.owner(vip, address) if vip is not None else None
        if owner is not None and owner.port != self.number:
            raise Dropped(DropReason.VIRTUAL_IP_NOT_OWNER)

    def claim(self, address: IpAddress, *, announcement: bool, priority: int = 0) -> bool:
        """Return False when the claim is refused."""
        vip = self.membership(address)
        if vip is None:
            return True
        owner = self.owner(vip, address)
        mine = owner is not None and owner.port == self.number
        if vip.claim_policy == "frozen":
            if vip.pinned_owner != self.number:
                return False
        elif owner is not None and not mine and self.now - owner.seen < SILENCE:
            wins = (
                announcement
                and {
                    "latest": True,
                    "first": False,
                    "priority": priority > owner.priority,
                }[vip.claim_policy]
            )
            if not wins:
                return False
        kept = owner.priority if owner is not None and mine else 0
        holder = Holder(self.number, self.now, priority or kept)
        self.host.holders[self.port.network, address] = holder
        return True

    # Section 4

    def delivery(self) -> None:
        content = self.packet.content
        if isinstance(content, Arp):
            raise Passed
        dhcp = self.host.plan.dhcp.get(self.port.network)
        service = dhcp is not None and dhcp.mac == self.packet.source_mac
        router = any(
            leg.network == self.port.network and leg.mac == self.packet.source_mac
            for one in self.host.plan.routers.values()
            for leg in one.legs
        )
        if content.family == 6:
            if is_discovery(content):
                raise Passed
            if content.icmp_type in (134, 137):
                if (service or router) and content.hop_limit == 255:
                    raise Passed
                raise Dropped(DropReason.ROGUE_ROUTER_ADVERTISEMENT)
        ports = (content.source_port, content.destination_port)
        answer = ports == ((67, 68) if content.family == 4 else (547, 546))
        if service and content.protocol == 17 and answer:
            raise Passed
        self.held_elsewhere(content.destination)
        own = any(
            binding.port == self.number and content.destination in binding.prefix
            for binding in self.host.plan.bindings
        )
        if self.port.checked and not self.packet.destination_mac.is_multicast and not own:
            raise Dropped(DropReason.DESTINATION_NOT_OWN)

    # Sections 5 and 6

    def fragment_key(self, ip: Ip) -> tuple[object, ...]:
        assert ip.fragment is not None
        part = ip.fragment
        ends = (ip.source, ip.destination)
        return (self.number, self.direction, ends, part.protocol, part.identification)

    def flow(self) -> None:
        ip = self.packet.content
        assert isinstance(ip, Ip)
        if ip.is_later_fragment:
            first = self.host.firsts.get(self.fragment_key(ip))
            if first is None or self.now - first > 30:
                raise Dropped(DropReason.FRAGMENT_UNMATCHED)
            return
        if self.related(ip):
            return
        key = self.key(ip.protocol, ip.source, ip.destination, ip.payload, self.direction)
        entry = self.live(key)
        opens = ip.protocol == 6 and ip.tcp_flags & 0x12 == 0x02
        if entry is None or (opens and entry.closing):
            self.new(ip, key)
            return
        if entry.epoch != self.host.epoch:
            rule = self.first_match(opening(entry))
            entry.epoch, entry.revoked = self.host.epoch, rule is None and not entry.keep
        if entry.revoked and opens:
            self.new(ip, key)
            return
        if entry.revoked:
            entry.seen = self.now
            raise Dropped(DropReason.FLOW_REVOKED)
        self.note(entry, ip)

    def live(self, key: FlowKey | None) -> Entry | None:
        entry = self.host.flows.get(key) if key is not None else None
        return entry if entry is not None and entry.lives(self.now) else None

    def new(self, ip: Ip, key: FlowKey | None) -> None:
        local, remote = self.sides(ip.source, ip.destination, self.direction)
        icmp = ip.icmp_type << 8 | ip.icmp_code if ip.icmp_type is not None else None
        ports = (ip.source_port, ip.destination_port)
        rule = self.first_match(Asked(self.direction, ip.protocol, local, remote, *ports, icmp))
        if rule is None:
            egress = self.direction == EGRESS
            raise Dropped(DropReason.NO_EGRESS_RULE if egress else DropReason.NO_INGRESS_RULE)
        answers_nobody = key is not None and key[-1] not in ("", self.direction)
        if key is None or RuleFlag.STATELESS in rule.flags or answers_nobody:
            return
        keep = RuleFlag.KEEP in rule.flags
        entry = Entry(key, self.direction, self.host.epoch, keep, self.now)
        self.host.flows[key] = entry
        self.note(entry, ip)

    def note(self, entry: Entry, ip: Ip) -> None:
        entry.seen = self.now
        entry.replied |= self.direction != entry.opened_by
        if ip.protocol == 6:
            entry.ends |= ({"reset"} if ip.tcp_flags & 4 else set()) | (
                {self.direction} if ip.tcp_flags & 1 else set()
            )

    @staticmethod
    def sides(
        source: IpAddress, destination: IpAddress, direction: str
    ) -> tuple[IpAddress, IpAddress]:
        return (source, destination) if direction == EGRESS else (destination, source)

    def key(
        self,
        protocol: int,
        source: IpAddress,
        destination: IpAddress,
        upper: bytes,
        direction: str,
    ) -> FlowKey | None:
        values, asker = (b"", b""), ""
        if protocol in PORTED:
            values = (upper[0:2], upper[2:4])
        elif protocol == (1 if source.version == 4 else 58):
            if upper[1] or upper[0] not in ((8, 0) if source.version == 4 else (128, 129)):
                return None
            values = (upper[4:6], upper[4:6])
            other = INGRESS if direction == EGRESS else EGRESS
            asker = direction if upper[0] in (8, 128) else other
        local, remote = self.sides(source, destination, direction)
        if direction == INGRESS:
            values = (values[1], values[0])
        return (self.number, protocol, local, remote, values[0], values[1], asker)

    def first_match(self, asked: Asked) -> ClassifierRule | None:
        key = self.port.egress if asked.direction == EGRESS else self.port.ingress
        classifier = self.host.plan.classifiers.get(key)
        groups = self.host.plan.members.get((self.port.scope, asked.remote), ())
        for rule in classifier.rules if classifier is not None else ():
            if rule_matches(rule, asked) and rule.remote_group in (None, *groups):
                return rule if rule.action is Action.ALLOW else None
        return None

    def related(self, ip: Ip) -> bool:
        errors = (3, 4, 11, 12) if ip.family == 4 else (1, 2, 3, 4)
        if ip.icmp_type not in errors:
            return False
        quoted = ip.payload[8:]
        if ip.family == 4:
            start = (quoted[0] & 15) * 4 if quoted else 0
            if start < 20 or len(quoted) < start + 8 or quoted[0] >> 4 != 4:
                return False
            if int.from_bytes(quoted[6:8], "big") & 0x1FFF:
                return False
            protocol, source, destination = quoted[9], quoted[12:16], quoted[16:20]
        else:
            start = 40
            if len(quoted) < 48 or quoted[0] >> 4 != 6 or quoted[6] in (0, 43, 44, 60):
                return False
            protocol, source, destination = quoted[6], quoted[8:24], quoted[24:40]
        went = INGRESS if self.direction == EGRESS else EGRESS
        sender, receiver = ip_address(source), ip_address(destination)
        entry = self.live(self.key(protocol, sender, receiver, quoted[start:], went))
        return entry is not None and not entry.revoked


def is_discovery(ip: Ip) -> bool:
    """ND with its fixed hop limit, and MLD; never in fragments."""
    if ip.family != 6 or ip.fragment is not None:
        return False
    if ip.icmp_type in (133, 135, 136):
        return ip.hop_limit == 255 and ip.icmp_code == 0
    return ip.icmp_type in (130, 131, 132, 143)


def vrrp_addresses(ip: Ip) -> Iterator[tuple[IpAddress, int]]:
    """Yield the addresses of a VRRP advert with its priority."""
    raw, size = ip.payload, 4 if ip.family == 4 else 16
    if len(raw) < 8 or raw[0] not in ((0x21, 0x31) if ip.family == 4 else (0x31,)):
        return
    if raw[2] == 0 or raw[3] > 20 or len(raw) < 8 + raw[3] * size:
        return
    for number in range(raw[3]):
        yield ip_address(raw[8 + number * size : 8 + (number + 1) * size]), raw[2]


def opening(entry: Entry) -> Asked:
    """The question about the packet that opened a flow."""
    _, protocol, local, remote, mine, theirs, asker = entry.key
    egress = entry.opened_by == EGRESS
    source, destination = (mine, theirs) if egress else (theirs, mine)
    ported = protocol in PORTED
    ports = [int.from_bytes(value, "big") if ported else 0 for value in (source, destination)]
    icmp = (8 if local.version == 4 else 128) << 8 if asker else None
    return Asked(entry.opened_by, protocol, local, remote, ports[0], ports[1], icmp)


def within(held: PrefixSet, address: IpAddress) -> bool:
    return any(address in prefix for prefix in held.prefixes)


def rule_matches(rule: ClassifierRule, asked: Asked) -> bool:
    """Everything but the remote group."""
    return (
        rule.family == asked.remote.version
        and rule.protocol in (None, asked.protocol)
        and (rule.local_prefixes is None or within(rule.local_prefixes, asked.local))
        and (rule.remote_prefixes is None or within(rule.remote_prefixes, asked.remote))
        and (rule.source_ports is None or asked.source_port in rule.source_ports)
        and (rule.destination_ports is None or asked.destination_port in rule.destination_ports)
        and (rule.icmp is None or (asked.icmp is not None and asked.icmp in rule.icmp))
    )
