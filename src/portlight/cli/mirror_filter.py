"""`portlight mirror filter` and `portlight mirror rule`: which packets are copied."""

from collections.abc import Mapping, Sequence

import click

from portlight.cli.kinds import Kind, add_standard_commands, given
from portlight.cli.output import json_option, print_list, print_one
from portlight.cli.session import Session, pass_session
from portlight.client.resources import MirrorFilter, MirrorFilterRule

FILTER: Kind[MirrorFilter] = Kind(
    word="mirror filter",
    of=lambda client: client.mirror_filters,
    columns={
        "ID": lambda one: one.id,
        "Name": lambda one: one.name,
        "Description": lambda one: one.description or "-",
    },
)
_RULE: Kind[MirrorFilterRule] = Kind(
    word="mirror rule",
    of=lambda client: client.mirror_filter_rules,
    columns={
        "ID": lambda rule: rule.id,
        "Direction": lambda rule: rule.direction,
        "Priority": lambda rule: str(rule.priority),
        "Action": lambda rule: rule.action,
        "Family": lambda rule: rule.ethertype,
        "Protocol": lambda rule: rule.protocol,
        "Source": lambda rule: _end(rule.source_ip_prefix, rule.source_ports),
        "Destination": lambda rule: _end(rule.destination_ip_prefix, rule.destination_ports),
    },
)

_ACTIONS = ("accept", "reject")
_DIRECTIONS = ("ingress", "egress")
_PROTOCOLS = ("tcp", "udp", "icmp", "icmpv6", "all")
_FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}
_FIELDS: Mapping[str, str] = {
    "src": "source_ip_prefix",
    "dst": "destination_ip_prefix",
    "sport": "source_ports",
    "dport": "destination_ports",
    "priority": "priority",
}
_RESTRICTIONS = ("source_ip_prefix", "destination_ip_prefix", "source_ports", "destination_ports")
_MATCH = (
    click.option("--protocol", type=click.Choice((*_PROTOCOLS, "any"), case_sensitive=False)),
    click.option("--ethertype", type=click.Choice(list(_FAMILIES.values()), case_sensitive=False)),
    click.option("--src", "source_ip_prefix", metavar="CIDR"),
    click.option("--dst", "destination_ip_prefix", metavar="CIDR"),
    click.option("--sport", "source_ports", metavar="N[-M]"),
    click.option("--dport", "destination_ports", metavar="N[-M]"),
    click.option("--description"),
)


def _match(command: click.decorators.FC) -> click.decorators.FC:
    """Give a command the options of what a rule is about."""
    for option in reversed(_MATCH):
        command = option(command)
    return command


@click.group("filter")
def filters() -> None:
    """Keep sets of rules by which sessions choose packets."""


add_standard_commands(filters, FILTER)


@filters.command("create")
@click.argument("name")
@click.option("--description")
@json_option
@pass_session
def create_filter(session: Session, /, *, as_json: bool, **fields: object) -> None:
    """Create a filter without rules: it chooses nothing yet."""
    print_one(session.client.mirror_filters.create(given(**fields)), as_json=as_json)


@filters.command("set")
@click.argument("mirror_filter", metavar="FILTER")
@click.option("--name")
@click.option("--description")
@json_option
@pass_session
def change_filter(
    session: Session, /, mirror_filter: str, *, as_json: bool, **fields: object
) -> None:
    """Change a filter's name or description."""
    client = session.client
    identifier = FILTER.id_of(client, mirror_filter)
    print_one(client.mirror_filters.update(identifier, given(**fields)), as_json=as_json)


@click.group("rule")
def rules() -> None:
    """Keep the rules of a filter: the first that matches decides."""


@rules.command("list")
@click.argument("mirror_filter", metavar="FILTER")
@json_option
@pass_session
def list_rules(session: Session, /, mirror_filter: str, *, as_json: bool) -> None:
    """List the rules of a filter, in the order in which they are asked."""
    client = session.client
    found = client.mirror_filter_rules.list(mirror_filter_id=FILTER.id_of(client, mirror_filter))
    ordered = sorted(found, key=lambda rule: (rule.direction, rule.priority))
    print_list(ordered, _RULE.columns, as_json=as_json)


@rules.command("create")
@click.argument("mirror_filter", metavar="FILTER")
@click.argument("action", type=click.Choice(_ACTIONS))
@click.argument("direction", type=click.Choice(_DIRECTIONS))
@click.option("--priority", type=int, required=True, help="The smaller first; 1 to 65535.")
@_match
@json_option
@pass_session
def create_rule(
    session: Session, /, mirror_filter: str, *, as_json: bool, **fields: object
) -> None:
    """Accept (copy) or reject packets that the source sends (egress) or receives (ingress)."""
    client = session.client
    body = _completed(_widened(given(**fields)))
    body["mirror_filter_id"] = FILTER.id_of(client, mirror_filter)
    print_one(client.mirror_filter_rules.create(body), as_json=as_json)


@rules.command("show")
@click.argument("rule")
@json_option
@pass_session
def show_rule(session: Session, /, rule: str, *, as_json: bool) -> None:
    """Show a rule, by its id or the beginning of it."""
    print_one(_found(session, rule), as_json=as_json)


@rules.command("set")
@click.argument("rule")
@click.option("--action", type=click.Choice(_ACTIONS))
@click.option("--priority", type=int)
@_match
@json_option
@pass_session
def change_rule(session: Session, /, rule: str, *, as_json: bool, **fields: object) -> None:
    """Change a rule; `any` ends a restriction, of all but the family."""
    body = _widened(given(**fields))
    changed = session.client.mirror_filter_rules.update(_found(session, rule).id, body)
    print_one(changed, as_json=as_json)


@rules.command("delete")
@click.argument("names", nargs=-1, required=True, metavar="RULE…")
@pass_session
def delete_rules(session: Session, /, names: tuple[str, ...]) -> None:
    """Delete rules by their ids (or by the beginning of an id)."""
    collection = session.client.mirror_filter_rules
    for one in collection.find_by_ids(names):
        collection.delete(one.id)


def parse_rules(texts: Sequence[str]) -> list[dict[str, object]]:
    """Return the bodies of rules that are given as text, with priorities in their order."""
    bodies: list[dict[str, object]] = []
    for text in texts:
        body = _parse_rule(text)
        before = [one["priority"] for one in bodies if one["direction"] == body["direction"]]
        body.setdefault("priority", max((int(str(one)) for one in before), default=0) + 1)
        bodies.append(body)
    return bodies


def _parse_rule(text: str) -> dict[str, object]:
    action, direction, *others = [*text.replace(",", " ").split(), "", ""]
    if action not in _ACTIONS or direction not in _DIRECTIONS:
        raise click.BadParameter(
            f"'{text}' does not begin with accept or reject, then ingress or egress.",
            param_hint="--rule",
        )
    body: dict[str, object] = {"action": action, "direction": direction}
    for word in filter(None, others):
        name, _, value = word.partition("=")
        body |= _read_word(text, name, value)
    return _completed(body)


def _read_word(text: str, name: str, value: str) -> dict[str, object]:
    if not value and name in _PROTOCOLS:
        return {"protocol": name}
    if not value and name in _FAMILIES:
        return {"ethertype": _FAMILIES[name]}
    if not value or name not in _FIELDS:
        raise click.BadParameter(f"'{name}' means nothing in '{text}'.", param_hint="--rule")
    return {_FIELDS[name]: value}


def _completed(body: dict[str, object]) -> dict[str, object]:
    """Return the body with a protocol and a family, which prefixes may tell."""
    prefixes = [str(body.get(name, "")) for name in ("source_ip_prefix", "destination_ip_prefix")]
    is_ipv6 = any(":" in one for one in prefixes) or body.get("protocol") == "icmpv6"
    return {"protocol": "all", "ethertype": "IPv6" if is_ipv6 else "IPv4", **body}


def _found(session: Session, text: str) -> MirrorFilterRule:
    (found,) = session.client.mirror_filter_rules.find_by_ids([text])
    return found


def _widened(fields: Mapping[str, object]) -> dict[str, object]:
    """Return the fields, where `any` is what the API calls the end of a restriction."""
    ends = {"protocol": "all", **dict.fromkeys(_RESTRICTIONS)}
    return {
        name: ends[name] if name in ends and value == "any" else value
        for name, value in fields.items()
    }


def _end(prefix: str | None, ports: str | None) -> str:
    return f"{prefix or 'any'}" + (f" ports {ports}" if ports else "")
