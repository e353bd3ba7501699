"""The configuration of keepalived in the demonstration's members."""

from pathlib import Path

_TEMPLATE = """\
global_defs {{
  vrrp_version 3
  vrrp_garp_master_delay 1
}}
vrrp_instance demo {{
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority {priority}
  advert_int 1
  virtual_ipaddress {{
    {address}/24
  }}
}}
"""


def write_keepalived(folder: Path, address: str, priority: int) -> None:
    """Write keepalived.conf for one member."""
    folder.mkdir(parents=True, exist_ok=True)
    text = _TEMPLATE.format(address=address, priority=priority)
    (folder / "keepalived.conf").write_text(text)


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
