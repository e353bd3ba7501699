"""keepalived in the demonstration's members."""

from ipaddress import ip_interface
from pathlib import Path

from portlight.guest.routes.vip import Member, render_keepalived


def write_keepalived(folder: Path, address: str, priority: int) -> None:
    """Write keepalived.conf for one member."""
    folder.mkdir(parents=True, exist_ok=True)
    member = Member(address=ip_interface(f"{address}/24"), interface="eth0", priority=priority)
    (folder / "keepalived.conf").write_text(render_keepalived(member).text)


def keepalived_command(folder: Path) -> list[str]:
    """Return the command that runs keepalived in the foreground."""
    return [
        "keepalived",
        "--dont-fork",
        "--log-console",
        "--vrrp",
        f"--use-file={folder / 'keepalived.conf'}",
        # The guest's own /run, which ends with it: an old file would name another process.
        "--pid=/run/keepalived.pid",
        "--vrrp_pid=/run/vrrp.pid",
    ]
