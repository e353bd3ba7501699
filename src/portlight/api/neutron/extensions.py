"""The list of extensions: only what works. Clients ask for it before they use an option."""

from http import HTTPStatus

from portlight.api.errors import RequestError
from portlight.api.operation import operation
from portlight.api.schema import MOMENT, TEXT, array, shape
from portlight.api.shell import Call, Reply
from portlight.api.wire import Json

_EXTENSION = shape(
    {
        "alias": TEXT,
        "name": TEXT,
        "description": TEXT,
        "updated": MOMENT,
        "links": array(TEXT),
    },
    title="extension",
)
_UPDATED = "2026-01-01T00:00:00-00:00"

_NAMES = {
    "aap-reject-multicast": ("Refusal of multicast pairs", "Address pairs are no multicast groups"),
    "address-group": ("Address group", "Named lists of addresses that rules refer to"),
    "address-scope": ("Address scope", "Spaces in which no prefix means two places"),
    "agent": ("agent", "The hosts, as agents"),
    "allowed-address-pairs": ("Allowed Address Pairs", "Further source addresses of a port"),
    "availability_zone": ("Availability Zone", "Where hosts are"),
    "availability_zone_filter": ("Availability Zone Filter Extension", "Filters on zones"),
    "binding": ("Port Binding", "The host of a port"),
    "default-subnetpools": ("Default Subnetpools", "A pool for subnets that name none"),
    "dns-integration": ("DNS Integration", "Names of ports, answered by their network's server"),
    "empty-string-filtering": ("Empty String Filtering", "An empty filter finds what is not set"),
    "expose-port-forwarding-in-fip": (
        "Expose Port Forwarding In FIP",
        "The forwardings of a floating IP are shown with it",
    ),
    "ext-gw-mode": ("Neutron L3 Configurable external gateway mode", "enable_snat of a gateway"),
    "external-net": ("Neutron external network", "Networks that lead outside"),
    "extraroute": ("Neutron Extra Route", "Routes of routers"),
    "extraroute-atomic": ("Atomically add/remove extra routes", "Routes come and go one by one"),
    "extra_dhcp_opt": ("Neutron Extra DHCP options", "DHCP options of one port"),
    "filter-validation": ("Filter parameters validation", "Unknown filters are refused"),
    "fip-port-details": ("Add port_details attribute to floating IP", "The port behind it"),
    "floating-ip-port-forwarding": ("Floating IP Port Forwarding", "Single ports, led on"),
    "floating-ip-port-forwarding-description": (
        "Floating IP Port Forwarding new Description field",
        "Descriptions of forwardings",
    ),
    "floating-ip-port-forwarding-detail": (
        "Floating IP Port Forwarding new fields",
        "The port behind a forwarding is shown with its floating IP",
    ),
    "floating-ip-port-forwarding-port-ranges": (
        "Floating IP Port Forwarding support port ranges",
        "Several ports in one forwarding",
    ),
    "ip-substring-filtering": ("IP address substring filtering", "fixed_ips=ip_address_substr=…"),
    "ip_allocation": ("IP Allocation", "Whether a port got its addresses"),
    "l2_adjacency": ("L2 Adjacency", "Every network is one layer-2 domain"),
    "net-mtu": ("Network MTU", "The MTU of a network can be read"),
    "net-mtu-writable": ("Network MTU (writable)", "The MTU of a network can be set"),
    "network-ip-availability": ("Network IP Availability", "How many addresses are used"),
    "network_availability_zone": ("Network Availability Zone", "Zones of networks"),
    "pagination": ("Pagination support", "limit, marker and page_reverse"),
    "port-security": ("Port Security", "A switch for source binding and groups"),
    "project-id": ("project_id field enabled", "project_id beside tenant_id"),
    "quota-check-limit": ("Quota engine limit check", "check_limit when a quota is set"),
    "quota-check-limit-default": ("Quota limit check by default", "Limits are not below usage"),
    "quota_details": ("Quota details management support", "What a project uses of its quotas"),
    "quotas": ("Quota management support", "Limits per project"),
    "rbac-address-group": ("Add address_group type to RBAC", "Shared address groups"),
    "rbac-policies": ("RBAC Policies", "Networks shared with other projects"),
    "rbac-security-groups": ("Add security_group type to network RBAC", "Shared groups"),
    "revision-if-match": ("If-Match constraints based on revision_number", "If-Match"),
    "port-security-groups-filtering": (
        "Port filtering on security groups",
        "Ports can be listed by security group",
    ),
    "router": ("Neutron L3 Router", "Routers, their gateways and floating IPs"),
    "router_availability_zone": ("Router Availability Zone", "Zones of routers"),
    "security-group": ("security-group", "Security groups and their rules"),
    "security-groups-default-rules": (
        "Default rules for security groups",
        "The template of the rules that a new group starts with",
    ),
    "security-groups-normalized-cidr": (
        "Normalized CIDR field for security group rules",
        "The remote prefix without host bits",
    ),
    "security-groups-remote-address-group": (
        "Remote address group id field for security group rules",
        "An address group as the remote side of a rule",
    ),
    "security-groups-rules-belongs-to-default-sg": (
        "Security group rule belongs to the project's default security group",
        "A flag of the rules of default groups",
    ),
    "security-groups-shared-filtering": ("Security group filtering on the shared field", "shared"),
    "service-type": ("Neutron Service Type Management", "Providers of services: none"),
    "sorting": ("Sorting support", "sort_key and sort_dir"),
    "standard-attr-description": ("standard-attr-description", "Descriptions"),
    "standard-attr-revisions": ("Resource revision numbers", "revision_number"),
    "standard-attr-tag": ("Tag support for resources", "Tags of every resource"),
    "standard-attr-timestamp": ("Resource timestamps", "created_at and updated_at"),
    "stateful-security-group": ("Stateful security group", "Groups without connection tracking"),
    "subnet-service-types": ("Subnet service types", "Subnets for ports of some owners"),
    "subnet_allocation": ("Subnet Allocation", "Subnets from subnet pools"),
    "subnet_onboard": ("Subnet Onboard", "Subnets that join a subnet pool"),
    "subnetpool-prefix-ops": ("Subnet Pool Prefix Operations", "A pool that grows and shrinks"),
    "tag-creation": ("Tag creation", "POST adds tags"),
    "tag-ports-during-bulk-creation": ("Tag Ports During Bulk Creation", "Tags in POST"),
}

_EXTENSIONS: dict[str, Json] = {
    alias: {
        "alias": alias,
        "name": name,
        "description": description,
        "updated": _UPDATED,
        "links": [],
    }
    for alias, (name, description) in _NAMES.items()
}


ADVERTISED = {alias: what for alias, (_, what) in _NAMES.items()}
"""Alias to what works, for the documentation."""


@operation(answer=shape({"extensions": array(_EXTENSION)}))
def list_extensions(_call: Call) -> Reply:
    """List what works beyond the core of the API."""
    return Reply(document={"extensions": list(_EXTENSIONS.values())})


@operation(answer=shape({"extension": _EXTENSION}))
def show_extension(call: Call) -> Reply:
    """Show one extension by its alias."""
    alias = call.path["alias"]
    if alias not in _EXTENSIONS:
        raise RequestError(HTTPStatus.NOT_FOUND, f"Extension with alias {alias} does not exist")
    return Reply(document={"extension": _EXTENSIONS[alias]})
