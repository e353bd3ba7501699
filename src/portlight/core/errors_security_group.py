"""Refusals about security groups and their rules. The words follow Neutron's."""

from collections.abc import Sequence

from portlight.core.errors import Blocker, ConflictError, InUseError, InvalidRequestError, named
from portlight.values.ids import DefaultRuleId, ProjectId, SecurityGroupId, SecurityGroupRuleId


class SecurityGroupInUseError(InUseError):
    """Ports carry the group, or rules of other groups refer to it."""

    def __init__(self, group_id: SecurityGroupId, blockers: Sequence[Blocker]) -> None:
        super().__init__(f"Security Group {group_id} in use by {named(blockers)}.", blockers)
        self.group_id = group_id


class DefaultSecurityGroupError(ConflictError):
    """The default group of a project can be neither removed, renamed nor made twice."""

    def __init__(self, action: str, project_id: ProjectId) -> None:
        super().__init__(f"{action} default security group of project {project_id} not allowed.")
        self.action = action
        self.project_id = project_id


class SecondDefaultSecurityGroupError(DefaultSecurityGroupError):
    """The name of the default group is given to another one."""


class DefaultSecurityGroupNameError(DefaultSecurityGroupError):
    """The default group is given another name."""


class SecurityGroupRuleExistsError(ConflictError):
    """A rule with the same meaning is there already (the description does not count)."""

    def __init__(self, rule_id: SecurityGroupRuleId) -> None:
        super().__init__(f"Security group rule already exists. Rule id is {rule_id}.")
        self.rule_id = rule_id


class DuplicateRuleInRequestError(ConflictError):
    """Two rules of one request mean the same."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(
            "Duplicate Security Group Rule in POST: "
            f"rules {first} and {second} of the request mean the same."
        )
        self.first = first
        self.second = second


class DefaultRuleExistsError(ConflictError):
    """A default rule with the same meaning, for the same groups, is there already."""

    def __init__(self, rule_id: DefaultRuleId) -> None:
        super().__init__(f"Default Security group rule already exists. Rule id is {rule_id}.")
        self.rule_id = rule_id


class MixedStatefulnessError(ConflictError):
    """A port is to be in stateful and in stateless groups."""

    def __init__(self, stateless: Sequence[SecurityGroupId]) -> None:
        super().__init__(
            "Error Cannot apply both stateful and stateless security groups on the same port at "
            f"the same time while attempting the operation: {named(stateless)} stateless."
        )
        self.stateless = tuple(stateless)


class TooManyGroupsError(ConflictError):
    """A port is to be in more groups than the data plane can tell apart for one address."""

    def __init__(self, groups: int, limit: int) -> None:
        super().__init__(f"A port cannot be in {groups} security groups; the limit is {limit}.")
        self.groups = groups
        self.limit = limit


class TooManyRulesError(ConflictError):
    """The groups of a port have more rules than its classifier holds."""

    def __init__(self, group_id: SecurityGroupId, room: int, limit: int) -> None:
        super().__init__(
            f"The security groups of one port have room for {limit} rules and addresses of "
            f"address groups together; group {group_id} alone takes {room}."
        )
        self.group_id = group_id
        self.room = room
        self.limit = limit


class InvalidProtocolError(InvalidRequestError):
    """The protocol is no known name and no number 0..255."""

    def __init__(self, protocol: str, known: Sequence[str]) -> None:
        super().__init__(
            "protocol",
            f"security group rule protocol {protocol} not supported. Only protocol values "
            f"{', '.join(known)} and integer representations [0 to 255] are supported",
        )
        self.protocol = protocol


class ProtocolFamilyError(InvalidRequestError):
    """The protocol belongs to the other address family."""

    def __init__(self, protocol: str, ethertype: str) -> None:
        super().__init__("protocol", f"invalid ethertype {ethertype} for protocol {protocol}")
        self.protocol = protocol
        self.ethertype = ethertype


class ProtocolRequiredWithPortsError(InvalidRequestError):
    """A port range needs a protocol that has ports."""

    def __init__(self) -> None:
        super().__init__("protocol", "must also specify protocol if port range is given")


class ProtocolWithoutPortsError(InvalidRequestError):
    """The protocol has no ports."""

    def __init__(self, protocol: str) -> None:
        super().__init__(
            "port_range_min",
            f"invalid protocol {protocol} for port range, only supported for TCP, UDP, UDPLITE, "
            "SCTP and DCCP",
        )
        self.protocol = protocol


class InvalidPortRangeError(InvalidRequestError):
    """The range is half given, or upside down."""

    def __init__(self) -> None:
        super().__init__(
            "port_range_min",
            "for TCP/UDP protocols, port_range_min must be <= port_range_max, and both be given",
        )


class InvalidPortValueError(InvalidRequestError):
    """No such port number."""

    def __init__(self, port: int) -> None:
        super().__init__("port_range_min", f"invalid value for port {port}")
        self.port = port


class InvalidIcmpValueError(InvalidRequestError):
    """ICMP type or code outside 0..255."""

    def __init__(self, field: str, name: str, value: int) -> None:
        super().__init__(
            field, f"invalid value for ICMP {name} ({field}) {value}. It must be 0 to 255"
        )
        self.name = name
        self.value = value


class MissingIcmpTypeError(InvalidRequestError):
    """A code without a type."""

    def __init__(self, code: int) -> None:
        super().__init__(
            "port_range_min",
            f"ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is "
            "missing",
        )
        self.code = code


class MultipleRemotesError(InvalidRequestError):
    """More than one remote is given."""

    def __init__(self) -> None:
        super().__init__(
            "remote_ip_prefix",
            "only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be "
            "provided",
        )


class RemotePrefixFamilyError(InvalidRequestError):
    """The remote prefix is of another family than the rule."""

    def __init__(self, ethertype: str, prefix: str) -> None:
        super().__init__(
            "remote_ip_prefix", f"conflicting value ethertype {ethertype} for CIDR {prefix}"
        )
        self.ethertype = ethertype
        self.prefix = prefix
