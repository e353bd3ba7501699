"""Real keepalived in a guest: its configuration, and the guest's own folder for its files."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Vrrp:
    """One VRRP instance of one member."""

    address: str
    """The virtual IP."""
    priority: int
    state: str = "BACKUP"
    version: int = 3
    virtual_router_id: int = 51
    virtual_mac: bool = False
    interface: str = "eth0"
    advert_seconds: float = 1.0
    preempt: bool = True


def render_keepalived(vrrp: Vrrp) -> str:
    """Return keepalived.conf for one member."""
    is_v6 = ip_address(vrrp.address).version == 6
    length = 64 if is_v6 else 24
    lines = [
        "global_defs {",
        f"  vrrp_version {vrrp.version}",
        "  vrrp_garp_master_repeat 2",
        "  vrrp_garp_master_delay 1",
        "}",
        "vrrp_instance vi {",
        f"  state {vrrp.state}",
        f"  interface {vrrp.interface}",
        f"  virtual_router_id {vrrp.virtual_router_id}",
        f"  priority {vrrp.priority}",
        f"  advert_int {vrrp.advert_seconds:g}",
    ]
    if not vrrp.preempt:
        lines.append("  nopreempt")
    if vrrp.virtual_mac:
        lines += [f"  use_vmac vrrp{vrrp.virtual_router_id}", "  vmac_xmit_base"]
    lines += ["  virtual_ipaddress {", f"    {vrrp.address}/{length}", "  }", "}"]
    return "\n".join(lines) + "\n"


def write_keepalived(folder: Path, vrrp: Vrrp) -> list[str]:
    """Write the configuration into `folder`; return the command that runs it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "keepalived.conf"
    config.write_text(render_keepalived(vrrp))
    return [
        "keepalived",
        "--dont-fork",
        "--log-console",
        "--log-detail",
        "--vrrp",
        f"--use-file={config}",
        f"--pid={folder / 'keepalived.pid'}",
        f"--vrrp_pid={folder / 'vrrp.pid'}",
    ]
