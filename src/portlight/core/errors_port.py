"""Refusals about ports, virtual IPs and instances. The words follow Neutron's where it has them."""

from portlight.core.errors import Blocker, ConflictError, InUseError, InvalidRequestError, named
from portlight.values.addresses import IpPrefix, MacAddress
from portlight.values.ids import InstanceId, PortId, SubnetId, VirtualIpId


class PortInUseError(InUseError):
    """The port still has a device attached."""

    def __init__(self, port_id: PortId, device_id: str, device_owner: str) -> None:
        super().__init__(
            f"Port {port_id} is in use by device {device_id} ({device_owner or 'no owner named'}). "
            "Detach it first.",
            [Blocker(kind="Device", id=device_id, note=device_owner)],
        )
        self.port_id = port_id
        self.device_id = device_id
        self.device_owner = device_owner


class ServicePortError(ConflictError):
    """The port belongs to the network itself (its DHCP server, a virtual IP)."""

    def __init__(self, port_id: PortId, device_owner: str, advice: str) -> None:
        super().__init__(
            f"Port {port_id} cannot be changed or deleted directly via the port API: "
            f"has device owner {device_owner}. {advice}"
        )
        self.port_id = port_id
        self.device_owner = device_owner


class AddressPairAndPortSecurityRequiredError(ConflictError):
    """Address pairs widen the source binding, which needs port security."""

    def __init__(self, port_id: PortId) -> None:
        super().__init__(
            "Port Security must be enabled in order to have allowed address pairs on a port "
            f"({port_id})."
        )
        self.port_id = port_id


class PortSecurityRequiredForGroupsError(InvalidRequestError):
    """Groups were asked for on a port without port security."""

    def __init__(self, port_id: PortId) -> None:
        super().__init__(
            "security_groups",
            f"port security must be enabled on port {port_id} in order to use security groups",
        )
        self.port_id = port_id


class PortHasSecurityGroupsError(ConflictError):
    """Port security cannot be switched off while the port carries groups."""

    def __init__(self, port_id: PortId, group_ids: tuple[str, ...]) -> None:
        super().__init__(
            f"Port {port_id} has security groups ({', '.join(group_ids)}). Cannot disable port "
            "security or ip address until they are removed."
        )
        self.port_id = port_id
        self.group_ids = group_ids


class DuplicateAddressPairError(InvalidRequestError):
    """The same pair is given twice."""

    def __init__(self, prefix: IpPrefix, mac: MacAddress) -> None:
        super().__init__(
            "allowed_address_pairs",
            f"request contains duplicate address pair: mac_address {mac} ip_address {prefix}",
        )
        self.prefix = prefix
        self.mac = mac


class VirtualIpHasNoGroupsError(ConflictError):
    """A virtual IP is a member of no group: its holders are judged by their own (row N32)."""

    def __init__(self, port_id: PortId) -> None:
        super().__init__(
            f"Port {port_id} is a virtual IP and can be a member of no security group: "
            "put the groups on the ports that hold it."
        )
        self.port_id = port_id


class VirtualIpNotAttachableError(ConflictError):
    """A virtual IP is not an interface (row N8)."""

    def __init__(self, virtual_ip_id: VirtualIpId, port_id: PortId) -> None:
        super().__init__(
            f"Port {port_id} is virtual IP {virtual_ip_id} and cannot be attached to an instance. "
            "Attach an ordinary port and make it a member: "
            f"POST /portlight/v1/virtual-ips/{virtual_ip_id}/members (add member)."
        )
        self.virtual_ip_id = virtual_ip_id
        self.port_id = port_id


class VirtualIpInUseError(InUseError):
    """The virtual IP still has members."""

    def __init__(self, virtual_ip_id: VirtualIpId, members: tuple[PortId, ...]) -> None:
        super().__init__(
            f"Virtual IP {virtual_ip_id} still has members: {named(members)}. Remove them first.",
            [Blocker(kind="Port", id=member) for member in members],
        )
        self.virtual_ip_id = virtual_ip_id
        self.members = members


class VirtualIpMemberOutsideSubnetError(InvalidRequestError):
    """A member must have an address in the virtual IP's own subnet (row N29)."""

    def __init__(self, port_id: PortId, subnet_id: SubnetId) -> None:
        super().__init__(
            "members",
            f"port {port_id} has no address in subnet {subnet_id} of the virtual IP",
        )
        self.port_id = port_id
        self.subnet_id = subnet_id


class VirtualIpMemberUnfitError(InvalidRequestError):
    """A port of the network's own services cannot hold a virtual IP."""

    def __init__(self, port_id: PortId, device_owner: str) -> None:
        super().__init__(
            "members", f"port {port_id} has device owner {device_owner} and can be no member"
        )
        self.port_id = port_id
        self.device_owner = device_owner


class NotAMemberError(ConflictError):
    """The port is not among the members of the virtual IP."""

    def __init__(self, virtual_ip_id: VirtualIpId, port_id: PortId) -> None:
        super().__init__(f"Port {port_id} is no member of virtual IP {virtual_ip_id}.")
        self.virtual_ip_id = virtual_ip_id
        self.port_id = port_id


class PortNotAttachedError(ConflictError):
    """The port is no interface of this instance."""

    def __init__(self, port_id: PortId, instance_id: InstanceId) -> None:
        super().__init__(f"Port {port_id} is not attached to instance {instance_id}.")
        self.port_id = port_id
        self.instance_id = instance_id


class InstanceStoppedError(ConflictError):
    """A stopped instance can neither reboot nor renew its addresses."""

    def __init__(self, instance_id: InstanceId) -> None:
        super().__init__(f"Instance {instance_id} is stopped. Start it.")
        self.instance_id = instance_id
