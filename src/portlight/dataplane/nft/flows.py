"""Ending the flows of a public address: their entries in the router's connection tracking."""

from ipaddress import IPv4Address

from portlight.dataplane.namespaces import ToolError, namespace_path, run_tool

_NOTHING_FOUND = "0 flow entries"


def cut_flows(namespace: str, address: IPv4Address) -> None:
    """Forget every flow to a public address, and from what it stands for."""
    enter = ("nsenter", f"--net={namespace_path(namespace)}", "conntrack", "-D")
    for side in ("--orig-dst", "--reply-dst"):
        try:
            run_tool(*enter, side, str(address))
        except ToolError as error:
            if _NOTHING_FOUND not in str(error):
                raise
