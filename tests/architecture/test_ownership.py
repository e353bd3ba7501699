"""Every kind of kernel object has a row saying how a fresh agent knows it as ours."""

import pkgutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
DRIVERS = ROOT / "src" / "portlight" / "dataplane"


def ownership_rows() -> dict[str, str]:
    """Return driver -> how its objects are recognised, from the table in ARCHITECTURE.md."""
    section = (ROOT / "ARCHITECTURE.md").read_text().split("## Who owns what", 1)[1]
    table = section.split("\n## ", 1)[0]
    cells = [line.strip("| ").split("|") for line in table.splitlines() if line.startswith("| `")]
    return {row[0].strip().strip("`"): row[2].strip() for row in cells}


def test_every_driver_package_has_a_row_and_a_mark() -> None:
    packages = {module.name for module in pkgutil.iter_modules([str(DRIVERS)]) if module.ispkg}

    rows = ownership_rows()

    assert packages <= {driver.split("/")[0] for driver in rows}
    assert all(rows.values())
