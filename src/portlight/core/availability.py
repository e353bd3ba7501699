"""How many addresses a network has, and how many of them are held. Pure."""

from dataclasses import dataclass

from portlight.core.network import Network, Subnet


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetAvailability:
    """The addresses of one subnet."""

    subnet: Subnet
    used: int
    """Held by ports, former addresses in their grace window included."""

    @property
    def total(self) -> int:
        """Those of the allocation pools; without a pool all of the prefix, as in Neutron."""
        pools = self.subnet.allocation_pools
        in_pools = sum(int(pool.last) - int(pool.first) + 1 for pool in pools)
        return in_pools if pools else self.subnet.cidr.num_addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkAvailability:
    """The addresses of a network, subnet by subnet."""

    network: Network
    subnets: tuple[SubnetAvailability, ...]
