"""Address scopes on the wire. In Neutron they have none of the further standard attributes."""

from collections.abc import Sequence

from portlight.api.attributes import STANDARD, Attribute, Attributes, settable
from portlight.api.resource import Resource
from portlight.api.wire import Json, boolean, one_number
from portlight.core.drafts_addressing import AddressScopeDraft
from portlight.core.subnet_pool import AddressScope
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.ids import AddressScopeId

_ATTRIBUTES: Attributes = {
    **{name: STANDARD[name] for name in ("id", "name", "project_id", "tenant_id")},
    "ip_version": Attribute(
        parse=one_number(4, 6), draft="ip_version", on_update=False, required=True
    ),
    "shared": settable("shared", boolean),
}


def _render(cloud: Cloud, caller: Caller, scopes: Sequence[AddressScope]) -> list[Json]:
    shared = cloud.shared_with(caller, AddressScope)
    return [
        {
            "id": scope.id,
            "name": scope.meta.name,
            "project_id": scope.meta.project_id,
            "tenant_id": scope.meta.project_id,
            "ip_version": scope.ip_version,
            "shared": scope.id in shared,
        }
        for scope in scopes
    ]


ADDRESS_SCOPES: Resource[AddressScope, AddressScopeId, AddressScopeDraft, AddressScopeDraft] = (
    Resource(
        name="address_scope",
        plural="address_scopes",
        attributes=_ATTRIBUTES,
        identifier=AddressScopeId,
        draft=AddressScopeDraft,
        change=AddressScopeDraft,
        use=lambda cloud: cloud.address_scopes,
        render=_render,
    )
)
