"""`portlight-guest iptables test | lint | import`: questions that iptables itself cannot answer.

Reads the rules of now, or a save file; changes nothing.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from portlight.guest.iptables.extension import Context
from portlight.guest.iptables.groups import Place
from portlight.guest.iptables.icmp import ICMP_TYPES, ICMPV6_TYPES, type_reader
from portlight.guest.iptables.imports import (
    import_document,
    import_words,
    imported,
    is_proven,
)
from portlight.guest.iptables.lint import Fault, Finding, lint
from portlight.guest.iptables.meaning import STATES
from portlight.guest.iptables.names import ICMP, ICMPV6, Names
from portlight.guest.iptables.packet import Hook, Packet
from portlight.guest.iptables.parse import SaveFileError, parse_save
from portlight.guest.iptables.problems import CommandError, Dialect
from portlight.guest.iptables.readers import read_port
from portlight.guest.iptables.rules import BUILTIN_CHAINS, RuleSet
from portlight.guest.iptables.tool import Tool, ToolError, system_names
from portlight.guest.iptables.verdict import Decision, decide
from portlight.guest.iptables.walk import Step, Verdict

OK, FAULT, USAGE = 0, 1, 2

Run = Callable[[Sequence[str], int], int]
"""From the words after the command and the address family to an exit status."""


def run_question(name: str, words: Sequence[str], family: int) -> int:
    """Run one of the commands of `QUESTIONS`; errors come out as one line."""
    try:
        return QUESTIONS[name](words, family)
    except (SaveFileError, OSError, ToolError) as error:
        print(f"portlight-guest: {error}", file=sys.stderr)
        return FAULT
    except CommandError as error:
        sys.stderr.write(error.said_by(Dialect())[0])
        return USAGE


def _parser(name: str, family: int, text: str) -> argparse.ArgumentParser:
    program = "iptables" if family == 4 else "ip6tables"  # noqa: PLR2004 -- the family's name
    parser = argparse.ArgumentParser(prog=f"portlight-guest {program} {name}", description=text)
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--backend", choices=("nft", "legacy"), help="instead of the machine's own")
    return parser


def _ruleset(arguments: argparse.Namespace, family: int) -> RuleSet:
    """Return the rules of a file, or those of now."""
    names = system_names()
    if arguments.file is not None:
        return parse_save(read_rules_file(arguments.file), family, names)
    return Tool(family=family, backend=arguments.backend).read(names)


def read_rules_file(path: str) -> str:
    """Return a save file, `-` is standard input; what is no UTF-8 in it comes out as it came."""
    read = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    return read.decode(errors="surrogateescape")


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", help="a save file instead of the rules of now; - is stdin")


def _test(words: Sequence[str], family: int) -> int:
    parser = _parser("test", family, "Say what the rules do to a packet that is not sent.")
    _add_file(parser)
    _add_packet_options(parser)
    arguments = parser.parse_args(words)
    try:
        packet = _packet(arguments, family, system_names())
    except ValueError as error:
        parser.error(str(error))
    decision = decide(_ruleset(arguments, family), packet, only=arguments.table)
    print(json.dumps(_as_document(decision), indent=2) if arguments.json else _told(decision))
    return OK if decision.verdict is Verdict.ACCEPT else FAULT


def _add_packet_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--chain", type=Hook, choices=list(Hook), default=Hook.INPUT, help="default: INPUT")
    add("-t", "--table", choices=sorted(BUILTIN_CHAINS), help="only this one; default: all")
    add("-i", "--in-interface")
    add("-o", "--out-interface")
    add("-s", "--source")
    add("-d", "--destination")
    add("-p", "--protocol", default="tcp", help="by name or number; default: tcp")
    add("--sport", "--source-port")
    add("--dport", "--destination-port")
    add("--icmp-type", "--icmpv6-type", help="by name, number, or number/code")
    add("--state", choices=[*STATES, "any"], default="NEW", help="default: NEW")
    add("--mark", type=lambda text: int(text, 0), default=0)
    add("--mac", help="of the sender")
    add("--length", type=int, help="of the whole packet, in bytes")
    add("--ttl", type=int)
    add("--uid", type=int, help="of the sending process")


def _packet(arguments: argparse.Namespace, family: int, names: Names) -> Packet:
    protocol = names.protocol_number(arguments.protocol)
    if not protocol:
        raise ValueError(f"there is no protocol {arguments.protocol}")
    context = Context(family=family, names=names, protocol=protocol)
    kind, code = _icmp_type(arguments.icmp_type, context)
    return Packet(
        hook=arguments.chain,
        in_interface=arguments.in_interface,
        out_interface=arguments.out_interface,
        source=_address(arguments.source, family),
        destination=_address(arguments.destination, family),
        protocol=protocol,
        source_port=None if arguments.sport is None else read_port(arguments.sport, context),
        destination_port=None if arguments.dport is None else read_port(arguments.dport, context),
        icmp_type=kind,
        icmp_code=code,
        state=None if arguments.state == "any" else arguments.state,
        mark=arguments.mark,
        source_mac=arguments.mac,
        length=arguments.length,
        ttl=arguments.ttl,
        user=arguments.uid,
    )


def _address(text: str | None, family: int) -> IPv4Address | IPv6Address | None:
    if text is None:
        return None
    address = ip_address(text)
    if address.version != family:
        raise ValueError(f"{text} is no IPv{family} address")
    return address


def _icmp_type(text: str | None, context: Context) -> tuple[int | None, int | None]:
    if text is None:
        return None, 0
    if context.protocol not in {ICMP, ICMPV6}:
        raise ValueError("--icmp-type needs -p icmp, or -p icmpv6")
    types = ICMP_TYPES if context.family == 4 else ICMPV6_TYPES  # noqa: PLR2004 -- the family's name
    (said,) = type_reader(types, "ICMP")((text,), context)
    kind, _, code = said.partition("/")
    if not kind.isdecimal():
        raise ValueError("a packet has one type, not any")
    return int(kind), int(code or 0)


def _told(decision: Decision) -> str:
    """Return the verdict in sentences, then the way to it."""
    by = f"rule {decision.number}" if decision.number else "the policy"
    rule = f": {decision.text}" if decision.number else ""
    place = f"of chain {decision.chain} in table {decision.table}"
    if decision.verdict is Verdict.DEPENDS:
        first = f"DEPENDS on {', '.join(decision.depends_on)}; first at {by} {place}{rule}"
    else:
        first = f"{decision.verdict} by {by} {place}{rule}"
    return "\n".join((first, *(f"  {_step_words(step)}" for step in decision.trail)))


def _step_words(step: Step) -> str:
    number = f"{step.number}" if step.number else "policy"
    doubt = "" if step.is_certain else "   (perhaps)"
    return f"{step.table} {step.chain} {number}: {step.text}{doubt}"


def _as_document(decision: Decision) -> Mapping[str, object]:
    return {
        "verdict": decision.verdict,
        "table": decision.table,
        "chain": decision.chain,
        "rule": decision.number,
        "text": decision.text,
        "depends_on": decision.depends_on,
        "trail": [
            {
                "table": step.table,
                "chain": step.chain,
                "rule": step.number,
                "text": step.text,
                "is_certain": step.is_certain,
            }
            for step in decision.trail
        ],
    }


def _lint(words: Sequence[str], family: int) -> int:
    parser = _parser("lint", family, "Name rules that do nothing: hidden, impossible, never hit.")
    _add_file(parser)
    arguments = parser.parse_args(words)
    found = lint(_ruleset(arguments, family))
    if arguments.json:
        documents = [
            {
                "fault": one.fault,
                "table": one.table,
                "chain": one.chain,
                "rule": one.number,
                "text": one.text,
                "by": one.by,
            }
            for one in found
        ]
        print(json.dumps(documents, indent=2))
    else:
        print("\n".join(map(_finding_words, found)) or "every rule can be reached")
    return FAULT if any(one.fault is not Fault.NEVER_HIT for one in found) else OK


def _finding_words(finding: Finding) -> str:
    place = f"{finding.table} {finding.chain}"
    if finding.number is None:
        return f"{place}: no rule leads to this chain"
    words = {
        Fault.SHADOWED: f"is never reached: {_rules(finding.by)} before it took everything",
        Fault.IMPOSSIBLE: "can match nothing: its conditions exclude each other",
        Fault.NEVER_HIT: "has never matched a packet since the counters were zero",
    }[finding.fault]
    return f"{place} {finding.number} {words}\n    {finding.text}"


def _rules(numbers: Sequence[int]) -> str:
    return ("rule " if len(numbers) == 1 else "rules ") + ", ".join(map(str, numbers))


def _import(words: Sequence[str], family: int) -> int:
    parser = _parser(
        "import", family, "Say a save file as rules of a security group, with a proof."
    )
    parser.add_argument("file", metavar="FILE", help="a save file; - is stdin")
    parser.add_argument("--interface", default="eth0", help="of the server; default: eth0")
    parser.add_argument("--address", action="append", default=[], help="of the server; several")
    arguments = parser.parse_args(words)
    place = Place(
        interface=arguments.interface, addresses=tuple(map(ip_address, arguments.address))
    )
    found, proof = imported(_ruleset(arguments, family), place)
    if arguments.json:
        print(json.dumps(import_document(found, proof), indent=2))
    else:
        print(import_words(found, proof))
    return OK if is_proven(found, proof) else FAULT


QUESTIONS: Final[Mapping[str, Run]] = {"test": _test, "lint": _lint, "import": _import}
"""The words that iptables itself does not know."""
