"""A rule in the words in which iptables-save prints it. Pure."""

from portlight.guest.iptables.extension import extension_text, option_text
from portlight.guest.iptables.matches import MATCHES
from portlight.guest.iptables.names import PLAIN, Names
from portlight.guest.iptables.rules import Option, Rule
from portlight.guest.iptables.targets import TARGETS


def rule_text(rule: Rule, names: Names = PLAIN, *, counters: bool = False) -> str:
    """Return a rule's specification, without -A and its chain."""
    parts = [_head_text(option, names) for option in rule.options]
    parts.extend(extension_text("-m", each, MATCHES.get(each.name)) for each in rule.matches)
    if counters:
        parts.append(f"-c {rule.counters.packets} {rule.counters.bytes}")
    if rule.target is not None:
        flag = "-g" if rule.is_goto else "-j"
        parts.append(extension_text(flag, rule.target, TARGETS.get(rule.target.name)))
    return " ".join(parts)


def _head_text(option: Option, names: Names) -> str:
    if option.name == "-p":
        number = option.values[0]
        name = names.protocol_name(int(number)) if number.isdecimal() else number
        return f"{'! ' if option.negated else ''}-p {name}"
    return option_text(option)
