"""What a check finds. Pure."""

from dataclasses import dataclass
from typing import Final

TOOL: Final = "portlight-guest routes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong."""

    name: str
    interface: str
    """Where; several are separated by commas."""
    evidence: str
    """The routes, rules or packets that show it."""
    remedy: str
    """The command to give, or what a person has to do."""


def fix(kind: str) -> str:
    """Return the command of a remedy."""
    return f"{TOOL} fix --only {kind}"
