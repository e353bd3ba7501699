"""Run every measurement, one after the other; `python -m bench.rules --help` shows one of them."""

import subprocess
import sys

MEASUREMENTS = (
    "stream",
    "rules",
    "classifier",
    "compiler",
    "programs",
    "mirror",
    "mirror_scale",
    "routing",
    "control_plane",
    "guest_iptables",
)


def main() -> int:
    failed = []
    for name in MEASUREMENTS:
        print(f"\n## {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode != 0:
            failed.append(name)
    if failed:
        print("failed: " + ", ".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
