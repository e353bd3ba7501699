"""What several kinds of this face have in common: states, times, names."""

from typing import Final

from portlight.api.attributes import Attribute, Attributes, at_creation, read_only
from portlight.api.parser import Parse
from portlight.api.schema import MOMENT, TEXT, TRUTH
from portlight.api.wire import Json, identifier, text, timestamp
from portlight.core.meta import Meta

AVAILABLE: Final = "available"
"""The state of what is in place."""

NAME: Final = Attribute(parse=text(least=1), draft="name", required=True, answer=TEXT)
"""What another face made may have none."""
COMMON: Attributes = {
    "id": read_only(TEXT),
    "name": NAME,
    "tenant_id": at_creation("project_id", identifier),
    "create_time": read_only(MOMENT),
}
SHARED: Attributes = {"shared": read_only(TRUTH), "router:external": read_only(TRUTH)}


def render_common(identifier_: str, meta: Meta) -> Json:
    """Render the attributes that every kind has."""
    return {
        "id": identifier_,
        "name": meta.name,
        "tenant_id": meta.project_id,
        "create_time": timestamp(meta.created_at),
    }


def named_at_creation(draft: str, parse: Parse = identifier) -> Attribute:
    """Describe an attribute that is needed, and fixed for life."""
    return at_creation(draft, parse, required=True)
