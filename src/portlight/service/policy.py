"""Who may do what: one table of actions and roles.

A role counts on things of the caller's own project; `admin` counts everywhere.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from portlight.core.errors import ForbiddenError
from portlight.core.identity import ADMIN, MANAGER, MEMBER, READER
from portlight.service.caller import Caller

OWN: Final = "own"
"""Not a role: the user whom a thing of identity belongs to, whatever his roles."""
_ADMINS: Final = frozenset({ADMIN})
_MANAGERS: Final = frozenset({ADMIN, MANAGER})
_WRITERS: Final = frozenset({ADMIN, MANAGER, MEMBER})
_READERS: Final = frozenset({ADMIN, MANAGER, MEMBER, READER})

IDENTITY_POLICY: Mapping[str, frozenset[str]] = {
    "create_domain": _ADMINS,
    "update_domain": _ADMINS,
    "delete_domain": _ADMINS,
    "create_project": _ADMINS,
    "update_project": _ADMINS,
    "delete_project": _ADMINS,
    "create_user": _ADMINS,
    "update_user": _ADMINS,
    "delete_user": _ADMINS,
    "list_user_projects": _ADMINS | {OWN},
    "create_role": _ADMINS,
    "update_role": _ADMINS,
    "delete_role": _ADMINS,
    # a manager: member and reader, in his own project
    "create_grant": _MANAGERS,
    "delete_grant": _MANAGERS,
    "create_application_credential": frozenset({OWN}),
    "delete_application_credential": _ADMINS | {OWN},
    "create_credential": _ADMINS | {OWN},
    "delete_credential": _ADMINS | {OWN},
    "validate_token": _ADMINS | {OWN},
    "revoke_token": _ADMINS | {OWN},
}
"""The part of the table that speaks of identity."""
POLICY: Mapping[str, frozenset[str]] = {
    "get_network": _READERS,
    "create_network": _WRITERS,
    "update_network": _WRITERS,
    "delete_network": _WRITERS,
    "network:shared": _ADMINS,
    "network:router:external": _ADMINS,
    "subnet:service_types": _ADMINS,
    "get_subnet": _READERS,
    "create_subnet": _WRITERS,
    "update_subnet": _WRITERS,
    "delete_subnet": _WRITERS,
    "get_subnetpool": _READERS,
    "create_subnetpool": _WRITERS,
    "update_subnetpool": _WRITERS,
    "delete_subnetpool": _WRITERS,
    "subnetpool:shared": _ADMINS,
    "subnetpool:is_default": _ADMINS,
    "get_address_scope": _READERS,
    "create_address_scope": _WRITERS,
    "update_address_scope": _WRITERS,
    "delete_address_scope": _WRITERS,
    "address_scope:shared": _ADMINS,
    "get_port": _READERS,
    "create_port": _WRITERS,
    "update_port": _WRITERS,
    "delete_port": _WRITERS,
    "port:host": _ADMINS,
    "port:binding_profile": _ADMINS,
    "port:force_detach": _ADMINS,
    "get_audit_entry": _READERS,
    "get_security_group": _READERS,
    "create_security_group": _WRITERS,
    "update_security_group": _WRITERS,
    "delete_security_group": _WRITERS,
    "get_security_group_rule": _READERS,
    "create_security_group_rule": _WRITERS,
    "update_security_group_rule": _WRITERS,
    "delete_security_group_rule": _WRITERS,
    "get_address_group": _READERS,
    "create_address_group": _WRITERS,
    "update_address_group": _WRITERS,
    "delete_address_group": _WRITERS,
    "get_default_security_group_rule": _READERS,
    "create_default_security_group_rule": _ADMINS,
    "delete_default_security_group_rule": _ADMINS,
    "get_rbac_policy": _READERS,
    "create_rbac_policy": _WRITERS,
    "update_rbac_policy": _WRITERS,
    "delete_rbac_policy": _WRITERS,
    "rbac_policy:everyone": _ADMINS,
    "get_quota": _READERS,
    "list_quotas": _ADMINS,
    "update_quota": _ADMINS,
    "delete_quota": _ADMINS,
    "get_virtual_ip": _READERS,
    "create_virtual_ip": _WRITERS,
    "update_virtual_ip": _WRITERS,
    "delete_virtual_ip": _WRITERS,
    "add_virtual_ip_member": _WRITERS,
    "remove_virtual_ip_member": _WRITERS,
    "move_virtual_ip": _WRITERS,
    "get_mirror_filter": _READERS,
    "create_mirror_filter": _WRITERS,
    "update_mirror_filter": _WRITERS,
    "delete_mirror_filter": _WRITERS,
    "get_mirror_filter_rule": _READERS,
    "create_mirror_filter_rule": _WRITERS,
    "update_mirror_filter_rule": _WRITERS,
    "delete_mirror_filter_rule": _WRITERS,
    "get_mirror_session": _READERS,
    "create_mirror_session": _WRITERS,
    "update_mirror_session": _WRITERS,
    "delete_mirror_session": _WRITERS,
    "get_router": _READERS,
    "create_router": _WRITERS,
    "update_router": _WRITERS,
    "delete_router": _WRITERS,
    "router:external_gateway_info:enable_snat": _ADMINS,
    "router:external_gateway_info:external_fixed_ips": _ADMINS,
    "add_router_interface": _WRITERS,
    "remove_router_interface": _WRITERS,
    "add_extraroutes": _WRITERS,
    "remove_extraroutes": _WRITERS,
    "get_floatingip": _READERS,
    "create_floatingip": _WRITERS,
    "update_floatingip": _WRITERS,
    "delete_floatingip": _WRITERS,
    # everybody may choose his public address (row H140)
    "floatingip:floating_ip_address": _WRITERS,
    "get_floatingip_port_forwarding": _READERS,
    "create_floatingip_port_forwarding": _WRITERS,
    "update_floatingip_port_forwarding": _WRITERS,
    "delete_floatingip_port_forwarding": _WRITERS,
    "get_instance": _READERS,
    "create_instance": _WRITERS,
    "update_instance": _WRITERS,
    "delete_instance": _WRITERS,
    "start_instance": _WRITERS,
    "stop_instance": _WRITERS,
    "reboot_instance": _WRITERS,
    "renew_instance": _WRITERS,
    "attach_interface": _WRITERS,
    "detach_interface": _WRITERS,
    "get_route_table": _READERS,
    "create_route_table": _WRITERS,
    "update_route_table": _WRITERS,
    "delete_route_table": _WRITERS,
    "get_route": _READERS,
    "create_route": _WRITERS,
    "update_route": _WRITERS,
    "delete_route": _WRITERS,
    "get_internet_gateway": _READERS,
    "create_internet_gateway": _WRITERS,
    "update_internet_gateway": _WRITERS,
    "delete_internet_gateway": _WRITERS,
    "attach_internet_gateway": _WRITERS,
    "detach_internet_gateway": _WRITERS,
    "get_nat_gateway": _READERS,
    "create_nat_gateway": _WRITERS,
    "update_nat_gateway": _WRITERS,
    "delete_nat_gateway": _WRITERS,
    "get_peering": _READERS,
    "create_peering": _WRITERS,
    "update_peering": _WRITERS,
    "delete_peering": _WRITERS,
    "answer_peering": _WRITERS,
    # rows K1, K2: public addresses cost money
    "get_public_ip": _READERS,
    "create_public_ip": _MANAGERS,
    "update_public_ip": _MANAGERS,
    "delete_public_ip": _MANAGERS,
    "associate_public_ip": _MANAGERS,
    "disassociate_public_ip": _MANAGERS,
    "get_usage": _READERS,
    "get_orphan": _READERS,
    "get_agent": _READERS,
    "update_agent": _ADMINS,
    "delete_agent": _ADMINS,
    "get_network_ip_availability": _ADMINS,
    "any_project": _ADMINS,
    **IDENTITY_POLICY,
}
"""Action to the roles of which one is needed. `kind:field` guards one field of a draft."""

PARENT_OWNER_TOO: Final = frozenset({"update_subnet", "delete_subnet", "delete_port"})
"""What the owner of a network may also do to the things of others on it."""

NETWORK_OWNER_ONLY: Final = (
    "mac",
    "port_security_enabled",
    "allowed_address_pairs",
    "source_destination_check",
)
"""Fields of a port that only the owner of its network (or an admin) sets: they loosen it."""


class Holder(Protocol):
    """Whoever asks: a caller, or the holder of a token of any scope."""

    @property
    def roles(self) -> frozenset[str]:
        """The names of his roles."""


def is_allowed(caller: Holder, action: str, *, own: bool = False) -> bool:
    """Whether one of the caller's roles allows the action.

    `own`: the thing is the caller's own, where the table speaks of that.
    """
    allowed = POLICY[action]
    return not caller.roles.isdisjoint(allowed) or (own and OWN in allowed)


def check_action(caller: Holder, action: str, *, own: bool = False) -> None:
    """Raise ForbiddenError when the action is not allowed."""
    if not is_allowed(caller, action, own=own):
        raise ForbiddenError(action, sorted(POLICY[action] - {OWN}))


def check_owner(caller: Caller, action: str, project_id: str) -> None:
    """Raise ForbiddenError when the action is on another project's thing and not by an admin."""
    if project_id != caller.project_id and not caller.is_admin:
        raise ForbiddenError(action)
