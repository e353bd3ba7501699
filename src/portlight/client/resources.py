"""What the server answers, as values. The fields have the names of the wire."""

import msgspec


class FixedIp(msgspec.Struct, frozen=True, kw_only=True):
    """An address of a port."""

    subnet_id: str
    ip_address: str


class RetiredIp(msgspec.Struct, frozen=True, kw_only=True):
    """A former address that is still let through."""

    subnet_id: str
    ip_address: str
    until: str


class AddressPair(msgspec.Struct, frozen=True, kw_only=True):
    """A further source of a port: an address or a prefix, and a MAC."""

    ip_address: str
    mac_address: str


class DhcpOption(msgspec.Struct, frozen=True, kw_only=True):
    """A DHCP option of one port."""

    opt_name: str
    opt_value: str
    ip_version: int


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses from `start` to `end` that are given out."""

    start: str
    end: str


class HostRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A route handed to guests by DHCP."""

    destination: str
    nexthop: str


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What every resource carries."""

    id: str
    project_id: str
    revision_number: int
    created_at: str
    updated_at: str
    name: str = ""
    description: str = ""
    tags: list[str] = []


class Network(Described, frozen=True, kw_only=True):
    """A network; `portlight vpc` on the command line."""

    admin_state_up: bool
    shared: bool
    mtu: int
    port_security_enabled: bool
    status: str
    subnets: list[str]


class Subnet(Described, frozen=True, kw_only=True):
    """A range of addresses on a network."""

    network_id: str
    cidr: str
    ip_version: int
    gateway_ip: str | None
    allocation_pools: list[Pool]
    enable_dhcp: bool
    dns_nameservers: list[str]
    host_routes: list[HostRoute]
    ipv6_address_mode: str | None
    ipv6_ra_mode: str | None


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """The leg of a router on an external network."""

    network_id: str
    enable_snat: bool
    external_fixed_ips: list[FixedIp]


class Router(Described, frozen=True, kw_only=True):
    """Joins subnets, and leads outside by its gateway."""

    admin_state_up: bool
    status: str
    external_gateway_info: Gateway | None
    routes: list[HostRoute]


class Port(Described, frozen=True, kw_only=True):
    """A network interface; `portlight nic` on the command line."""

    network_id: str
    mac_address: str
    fixed_ips: list[FixedIp]
    allowed_address_pairs: list[AddressPair]
    security_groups: list[str]
    port_security_enabled: bool
    port_security_reason: str
    port_security_until: str | None
    source_destination_check: bool
    admin_state_up: bool
    status: str
    device_id: str
    device_owner: str
    device_index: int | None
    delete_on_termination: bool
    extra_dhcp_opts: list[DhcpOption]
    retired_ips: list[RetiredIp]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A way in which a port is less protected than by default."""

    exposure: str
    detail: str


class PortExposure(msgspec.Struct, frozen=True, kw_only=True):
    """A port that is less protected than by default."""

    port_id: str
    name: str
    project_id: str
    network_id: str
    device_id: str
    device_owner: str
    findings: list[Finding]
    since: str | None
    until: str | None


class SecurityGroupRule(Described, frozen=True, kw_only=True):
    """A rule of a security group."""

    security_group_id: str
    direction: str
    ethertype: str
    protocol: str | None
    port_range_min: int | None
    port_range_max: int | None
    remote_ip_prefix: str | None
    remote_group_id: str | None
    remote_address_group_id: str | None


class AddressGroup(Described, frozen=True, kw_only=True):
    """A list of addresses that rules refer to."""

    addresses: list[str]


class ProtectedInstance(msgspec.Struct, frozen=True, kw_only=True):
    """An instance with a port in a security group."""

    id: str
    name: str


class ProtectedPort(msgspec.Struct, frozen=True, kw_only=True):
    """A port in a security group."""

    id: str
    name: str
    network_id: str
    device_id: str
    ip_addresses: list[str]


class Protection(msgspec.Struct, frozen=True, kw_only=True):
    """What a security group protects."""

    security_group_id: str
    instances: list[ProtectedInstance]
    ports: list[ProtectedPort]


class SecurityGroup(Described, frozen=True, kw_only=True):
    """A set of allow rules."""

    stateful: bool
    established_flows: str
    security_group_rules: list[SecurityGroupRule]


class Interface(msgspec.Struct, frozen=True, kw_only=True):
    """A port as an interface of an instance."""

    port_id: str
    network_id: str
    mac_address: str
    fixed_ips: list[FixedIp]
    security_groups: list[str]
    status: str
    device_index: int | None
    delete_on_termination: bool


class Instance(Described, frozen=True, kw_only=True):
    """A guest that Portlight runs."""

    host: str
    kind: str
    power_state: str
    status: str
    boot: int
    renewals: int
    policy_routing: bool
    namespace: str
    init_pid: int | None
    interfaces: list[Interface]


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A port that may hold a virtual IP."""

    port_id: str
    virtual_router_id: int | None
    device_id: str
    ip_addresses: list[str]


class VirtualIp(Described, frozen=True, kw_only=True):
    """A reserved address with its members."""

    network_id: str
    subnet_id: str
    port_id: str
    ip_address: str
    members: list[Member]
    claim_policy: str
    pinned_owner: str | None


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the owner of a virtual IP."""

    at: str
    from_port_id: str | None
    to_port_id: str
    mac_address: str
    kind: str


class VirtualIpState(msgspec.Struct, frozen=True, kw_only=True):
    """What the hosts have seen of a virtual IP."""

    virtual_ip_id: str
    owner_port_id: str | None
    owner_mac: str | None
    last_announced_at: str | None
    split_brain: bool
    split_brain_since: str | None
    contenders: list[str]
    moves: list[Move]


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """Packets of a port in one direction: allowed (no reason), or dropped for a reason."""

    direction: str
    reason: str | None
    packets: int
    bytes: int


class PortCounters(msgspec.Struct, frozen=True, kw_only=True):
    """What the data path has counted for a port since it was made."""

    port_id: str
    counters: list[Count]


class MirrorFilter(Described, frozen=True, kw_only=True):
    """A set of rules by which mirror sessions choose packets."""


class MirrorFilterRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of a mirror filter."""

    id: str
    project_id: str
    revision_number: int
    created_at: str
    updated_at: str
    description: str
    mirror_filter_id: str
    direction: str
    ethertype: str
    action: str
    priority: int
    protocol: str
    source_ip_prefix: str | None
    destination_ip_prefix: str | None
    source_ports: str | None
    destination_ports: str | None


class MirrorSession(Described, frozen=True, kw_only=True):
    """Copies of the packets of some ports, sent to another one."""

    number: int
    priority: int
    mirror_filter_ids: list[str]
    source_port_ids: list[str]
    target_port_id: str | None
    target_ip: str | None
    vni: int
    packet_length: int
    enabled: bool
    copies_all: bool
    copies_drops: bool
    bytes_per_second: int | None


class CopyCount(msgspec.Struct, frozen=True, kw_only=True):
    """Packets and bytes of copies that fared alike."""

    packets: int
    bytes: int


class MirrorWay(msgspec.Struct, frozen=True, kw_only=True):
    """What became of what a session chose from one source in one direction."""

    port_id: str
    direction: str
    matched: int
    copied: CopyCount
    truncated: CopyCount
    over_budget: CopyCount
    no_target: CopyCount
    refused: CopyCount
    failed: CopyCount
    overload: CopyCount


class MirrorCounters(msgspec.Struct, frozen=True, kw_only=True):
    """What the data path has counted for a session since it was made."""

    mirror_session_id: str
    counters: list[MirrorWay]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a host could not put in place (it goes on trying)."""

    object: str
    message: str


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """What a host said last."""

    host: str
    reported_at: str
    applied_sequence: int
    failures: int
    errors: list[Failure] | None = None
    """None: only administrators see them."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the deployment is."""

    hosts: list[Host]
