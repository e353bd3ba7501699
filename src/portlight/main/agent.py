"""The agent process: drivers, runtime and the channel to the server, wired together."""

from portlight.dataplane.names import HostNames
from portlight.main.settings import Settings


def run_agent(settings: Settings) -> None:
    """Run the agent of this host until a signal ends it.

    Writes `<runtime>/ready` after the first full snapshot was applied.
    """
    raise NotImplementedError(settings)


def tear_down_host(names: HostNames) -> None:
    """Remove every kernel object of the deployment, and nothing else."""
    raise NotImplementedError(names)
