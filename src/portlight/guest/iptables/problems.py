"""How iptables says no: its own words and its own exit status.

The same refusal is worded differently by the two back ends; a `Dialect` says whose words are
wanted.
"""

from dataclasses import dataclass
from enum import IntEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Which tool of which version speaks."""

    program: str = "iptables"
    version: str = "1.8.9"
    is_nft: bool = True

    @property
    def backend(self) -> str:
        """Return the name of the back end, as -V prints it."""
        return "nf_tables" if self.is_nft else "legacy"

    @property
    def banner(self) -> str:
        """Return the line of `-V`; before 1.8 there was one back end, and it had no name."""
        has_backends = version_numbers(self.version) >= (1, 8)
        suffix = f" ({self.backend})" if has_backends else ""
        return f"{self.program} v{self.version}{suffix}"

    @property
    def has_protocol_numbers(self) -> bool:
        """Return whether a numeric listing shows protocols as numbers (1.8.8 and 1.8.9 do)."""
        return version_numbers(self.version) in {(1, 8, 8), (1, 8, 9)}


def version_numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version such as 1.8.9, for comparing."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())


class Status(IntEnum):
    """Exit statuses of iptables, from xtables.h."""

    OTHER_PROBLEM = 1
    PARAMETER_PROBLEM = 2
    VERSION_PROBLEM = 3
    RESOURCE_PROBLEM = 4


class CommandError(Exception):
    """The tool would refuse this, and change nothing."""

    def __init__(self, message: str, status: int, *, legacy: "CommandError | None" = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.legacy = legacy
        """What the legacy back end says instead, if it says something else."""

    def said_by(self, dialect: Dialect) -> tuple[str, int]:
        """Return the text for standard error, with its end of line, and the exit status."""
        if self.legacy is not None and not dialect.is_nft:
            return self.legacy.said_by(dialect)
        text = self.message.replace("{banner}", dialect.banner)
        return text.replace("{program}", dialect.program), self.status


def parameter_problem(message: str) -> CommandError:
    """Return the refusal of a wrong command line."""
    return CommandError(
        f"{{banner}}: {message}\n"
        "Try `{program} -h' or '{program} --help' for more information.\n",
        Status.PARAMETER_PROBLEM,
    )


def bad_argument(word: str) -> CommandError:
    """Return the refusal of a word that belongs to nothing."""
    return CommandError(
        f"Bad argument `{word}'\n"
        "Try `{program} -h' or '{program} --help' for more information.\n",
        Status.PARAMETER_PROBLEM,
    )


def plain_problem(message: str) -> CommandError:
    """Return a refusal about what is there, such as a chain that is missing."""
    return CommandError(f"{{program}}: {message}.\n", Status.OTHER_PROBLEM)


def kernel_problem(nft: str, legacy: str) -> CommandError:
    """Return a refusal that comes from the kernel; the back ends word it apart."""
    return CommandError(
        f"{{banner}}:  {nft}\n",
        Status.RESOURCE_PROBLEM,
        legacy=CommandError(f"{{program}}: {legacy}\n", Status.OTHER_PROBLEM),
    )
