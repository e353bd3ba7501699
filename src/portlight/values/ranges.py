"""Ranges of transport ports."""

from dataclasses import dataclass

MAX_PORT = 65_535


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class PortRange:
    """Ports from `first` to `last`, both included."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last <= MAX_PORT:
            raise ValueError(f"{self.first}-{self.last} is no port range")

    def __contains__(self, port: int) -> bool:
        return self.first <= port <= self.last

    def __len__(self) -> int:
        return self.last - self.first + 1

    def overlaps(self, other: "PortRange") -> bool:
        """Whether the two ranges share a port."""
        return self.first <= other.last and other.first <= self.last
