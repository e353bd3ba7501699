"""The first external network: made once in the life of a database, whatever becomes of it."""

from portlight.core.drafts import NetworkDraft, SubnetDraft
from portlight.service import networks, subnets
from portlight.service.work import Work
from portlight.values.addresses import IpPrefix

NAME = "public"
_SEQUENCE = "public_networks"
"""A sequence that is begun is what remembers that the network was made."""


def ensure(work: Work, pool: IpPrefix) -> None:
    """Make the network `public` with this pool, unless there was one once."""
    if work.tx.next_number(_SEQUENCE) > 1:
        return
    network = networks.create(work, NetworkDraft(name=NAME, external=True))
    subnets.create(
        work, SubnetDraft(network_id=network.id, name=NAME, cidr=pool, enable_dhcp=False)
    )
