"""An import from end to end: the group, its proof, and how both are told.

Pure, and used by the tool inside the server and by the cloud's command line.
"""

from collections.abc import Mapping
from random import Random

from portlight.guest.iptables.comparison import PACKETS, Comparison, compare
from portlight.guest.iptables.groups import Import, Place, security_group
from portlight.guest.iptables.rules import RuleSet


def imported(ruleset: RuleSet, place: Place) -> tuple[Import, Comparison]:
    """Return what becomes of a rule set, and the comparison that proves it."""
    found = security_group(ruleset, place)
    chance = Random(0)  # noqa: S311 -- the same packets every time
    return found, compare(ruleset, found, place, chance, packets=PACKETS)


def is_proven(found: Import, proof: Comparison) -> bool:
    """Return whether the group lets through nothing that the rules held back."""
    return not proof.differences and not any(each.widens for each in found.leftovers)


def import_document(found: Import, proof: Comparison) -> Mapping[str, object]:
    """Return an import for machines, its rules in Neutron's words."""
    return {
        "stateful": found.is_stateful,
        "security_group_rules": list(found.documents),
        "left_over": [
            {
                "table": each.table,
                "chain": each.chain,
                "rule": each.number,
                "text": each.text,
                "reason": each.reason,
                "would_open": each.widens,
            }
            for each in found.leftovers
        ],
        "compared": proof.compared,
        "differences": len(proof.differences),
    }


def import_words(found: Import, proof: Comparison) -> str:
    """Return an import for people."""
    kind = "stateful" if found.is_stateful else "stateless"
    lines = [f"{len(found.documents)} rules of a {kind} security group:"]
    lines += [
        "  " + " ".join(f"{name}={value}" for name, value in each.items())
        for each in found.documents
    ]
    if found.leftovers:
        lines.append("left over:")
    for each in found.leftovers:
        number = f" {each.number}" if each.number else ""
        danger = " (without it the group would let through more)" if each.widens else ""
        lines.append(f"  {each.table} {each.chain}{number}: {each.reason}{danger}  {each.text}")
    lines.append(
        f"{proof.compared} packets compared, {len(proof.differences)} differences"
        f" ({proof.left_out} fell to rules left over, {proof.not_settled} were not settled before)"
    )
    lines += [
        f"  {each.before} before, {'allowed' if each.is_allowed_now else 'held back'} now:"
        f" {each.packet}"
        for each in proof.differences[:5]
    ]
    return "\n".join(lines)
