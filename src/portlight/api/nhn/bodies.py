"""Bodies of verbs: one id by its name, without an envelope."""

from portlight.api.parser import Parser
from portlight.api.wire import identifier, record


def bare_id(member: str) -> Parser[str]:
    """Accept `{member: id}`; give the id."""

    def build(**fields: str) -> str:
        return fields[member]

    return record(build, {member: identifier})
