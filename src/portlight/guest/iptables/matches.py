"""The matches of iptables that we know, one row each.

Pure. What is in no row stays text: it is kept, printed as it came and never guessed at.
"""

from collections.abc import Callable, Mapping
from typing import Final

from portlight.guest.iptables import list_words as words
from portlight.guest.iptables import meanings as ask
from portlight.guest.iptables import settling as settle
from portlight.guest.iptables.extension import ExtensionKind, OptionKind
from portlight.guest.iptables.icmp import ICMP_TYPES, ICMPV6_TYPES, list_type, type_reader
from portlight.guest.iptables.meaning import ADDRESS_TYPES, PACKET_TYPES, STATES, Field
from portlight.guest.iptables.names import ICMP, ICMPV6, SCTP, TCP, UDP
from portlight.guest.iptables.readers import (
    number_range,
    one_of_list,
    read_address_range,
    read_mark,
    read_port_list,
    read_ports,
)

_SOURCE_PORT: Final = OptionKind(
    name="--sport",
    also=("--source-port",),
    read=read_ports,
    is_negatable=True,
    twice="Only one `--source-port' allowed",
)
_DESTINATION_PORT: Final = OptionKind(
    name="--dport",
    also=("--destination-port",),
    read=read_ports,
    is_negatable=True,
    twice="Only one `--destination-port' allowed",
)


def _must_have(name: str, option: str) -> str:
    return f'{name}: option "{option}" must be specified\n'


def _bad_state(title: str) -> Callable[[str], str]:
    return lambda word: f'Bad {title} "{word}"'


def _raw(name: str, *, is_negatable: bool = True) -> OptionKind:
    return OptionKind(name=name, is_negatable=is_negatable)


def _limits(name: str, option: str, family: int, title: str) -> ExtensionKind:
    """Return the match on the time to live, which IPv6 calls the hop limit."""
    return ExtensionKind(
        name=name,
        families=(family,),
        missing=(
            f"{title} match: You must specify one of "
            f"`--{option}-eq', `--{option}-lt', `--{option}-gt"
        ),
        options=(
            OptionKind(
                name=f"--{option}-eq",
                also=("--ttl",),
                read=number_range(name, f"--{option}-eq", last=255),
                is_negatable=True,
            ),
            OptionKind(name=f"--{option}-lt", read=number_range(name, f"--{option}-lt", last=255)),
            OptionKind(name=f"--{option}-gt", read=number_range(name, f"--{option}-gt", last=255)),
        ),
        listing=words.list_time_to_live(title),
        conditions=ask.time_to_live,
    )


_ROWS: Final = (
    ExtensionKind(
        name="tcp",
        options=(
            _SOURCE_PORT,
            _DESTINATION_PORT,
            OptionKind(name="--tcp-option", read=number_range("tcp", "--tcp-option", last=255)),
            OptionKind(
                name="--tcp-flags", arguments=2, read=settle.read_tcp_flags, is_negatable=True
            ),
            OptionKind(name="--syn", arguments=0, is_negatable=True),
        ),
        settle=settle.tcp,
        listing=words.list_tcp,
        conditions=ask.tcp,
    ),
    ExtensionKind(
        name="udp",
        options=(_SOURCE_PORT, _DESTINATION_PORT),
        settle=settle.ports,
        listing=words.list_ports("udp"),
        conditions=ask.ports,
    ),
    ExtensionKind(
        name="sctp",
        options=(_SOURCE_PORT, _DESTINATION_PORT),
        settle=settle.ports,
        listing=words.list_ports("sctp"),
        conditions=ask.ports,
    ),
    ExtensionKind(
        name="icmp",
        families=(4,),
        options=(
            OptionKind(name="--icmp-type", read=type_reader(ICMP_TYPES, "ICMP"), is_negatable=True),
        ),
        missing=_must_have("icmp", "--icmp-type"),
        listing=list_type(ICMP_TYPES, "icmp"),
        conditions=ask.icmp,
    ),
    ExtensionKind(
        name="icmp6",
        also=("icmpv6", "ipv6-icmp"),
        families=(6,),
        missing=_must_have("icmp6", "--icmpv6-type"),
        options=(
            OptionKind(
                name="--icmpv6-type", read=type_reader(ICMPV6_TYPES, "ICMPv6"), is_negatable=True
            ),
        ),
        listing=list_type(ICMPV6_TYPES, "ipv6-icmp"),
        conditions=ask.icmp,
    ),
    ExtensionKind(
        name="multiport",
        missing="multiport expection an option",
        options=(
            OptionKind(
                name="--sports", also=("--source-ports",), read=read_port_list, is_negatable=True
            ),
            OptionKind(
                name="--dports",
                also=("--destination-ports",),
                read=read_port_list,
                is_negatable=True,
            ),
            OptionKind(name="--ports", read=read_port_list, is_negatable=True),
        ),
        settle=settle.multiport,
        listing=words.list_multiport,
        conditions=ask.multiport,
    ),
    ExtensionKind(
        name="state",
        missing=_must_have("state", "--state"),
        options=(
            OptionKind(
                name="--state", read=one_of_list(STATES, _bad_state("state")), is_negatable=True
            ),
        ),
        listing=words.list_state("state"),
        conditions=ask.state,
    ),
    ExtensionKind(
        name="conntrack",
        missing="conntrack: At least one option is required",
        options=(
            OptionKind(
                name="--ctstate",
                read=one_of_list(
                    ("INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED", "SNAT", "DNAT"),
                    _bad_state("ctstate"),
                ),
                is_negatable=True,
            ),
            OptionKind(name="--ctproto", read=settle.read_ctproto, is_negatable=True),
            _raw("--ctorigsrc"),
            _raw("--ctorigdst"),
            _raw("--ctreplsrc"),
            _raw("--ctrepldst"),
            _raw("--ctorigsrcport"),
            _raw("--ctorigdstport"),
            _raw("--ctreplsrcport"),
            _raw("--ctrepldstport"),
            _raw("--ctstatus"),
            _raw("--ctexpire"),
            _raw("--ctdir", is_negatable=False),
        ),
        listing=words.list_conntrack,
        conditions=ask.state,
    ),
    ExtensionKind(
        name="limit",
        options=(
            OptionKind(name="--limit", read=settle.read_rate),
            OptionKind(
                name="--limit-burst", read=number_range("limit", "--limit-burst", last=10000)
            ),
        ),
        settle=settle.limit,
        listing=words.list_limit,
    ),
    ExtensionKind(
        name="comment",
        missing=_must_have("comment", "--comment"),
        options=(OptionKind(name="--comment", is_text=True),),
        listing=lambda extension, _: f" /* {extension.value('--comment')} */",
        conditions=lambda _extension, _context: (),
    ),
    ExtensionKind(
        name="mark",
        missing=_must_have("mark", "--mark"),
        options=(OptionKind(name="--mark", read=read_mark, is_negatable=True),),
        listing=words.list_mark("mark match"),
        conditions=ask.mark,
    ),
    ExtensionKind(
        name="connmark",
        missing=_must_have("connmark", "--mark"),
        options=(OptionKind(name="--mark", read=read_mark, is_negatable=True),),
        listing=words.list_mark("connmark match "),
    ),
    ExtensionKind(
        name="addrtype",
        missing="addrtype: you must specify --src-type or --dst-type",
        options=(
            OptionKind(
                name="--src-type",
                read=one_of_list(ADDRESS_TYPES, settle.bad_address_type),
                is_negatable=True,
            ),
            OptionKind(
                name="--dst-type",
                read=one_of_list(ADDRESS_TYPES, settle.bad_address_type),
                is_negatable=True,
            ),
            OptionKind(name="--limit-iface-in", arguments=0),
            OptionKind(name="--limit-iface-out", arguments=0),
        ),
        listing=words.list_address_type,
        conditions=ask.address_type,
    ),
    ExtensionKind(
        name="iprange",
        missing="iprange match: You must specify `--src-range' or `--dst-range'",
        options=(
            OptionKind(name="--src-range", read=read_address_range, is_negatable=True),
            OptionKind(name="--dst-range", read=read_address_range, is_negatable=True),
        ),
        listing=words.list_address_range,
        conditions=ask.address_range,
    ),
    ExtensionKind(
        name="mac",
        missing=_must_have("mac", "--mac-source"),
        options=(OptionKind(name="--mac-source", read=settle.read_mac, is_negatable=True),),
        listing=words.list_mac,
        conditions=ask.source_mac,
    ),
    ExtensionKind(
        name="length",
        missing=_must_have("length", "--length"),
        options=(
            OptionKind(name="--length", read=number_range("length", "--length"), is_negatable=True),
        ),
        listing=words.list_length,
        conditions=ask.one_range("--length", Field.LENGTH),
    ),
    ExtensionKind(
        name="pkttype",
        missing=_must_have("pkttype", "--pkt-type"),
        options=(
            OptionKind(
                name="--pkt-type", read=settle.read_packet_type(PACKET_TYPES), is_negatable=True
            ),
        ),
        listing=words.list_packet_type,
        conditions=ask.packet_type,
    ),
    ExtensionKind(
        name="owner",
        missing="owner: At least one of --uid-owner, --gid-owner or --socket-exists is required",
        options=(
            OptionKind(name="--uid-owner", read=settle.read_user, is_negatable=True),
            _raw("--gid-owner"),
            OptionKind(name="--socket-exists", arguments=0, is_negatable=True),
        ),
        listing=words.list_owner,
        conditions=ask.owner,
    ),
    _limits("ttl", "ttl", 4, "TTL"),
    _limits("hl", "hl", 6, "HL"),
)

MATCHES: Final[Mapping[str, ExtensionKind]] = {
    name: kind for kind in _ROWS for name in (kind.name, *kind.also)
}

MATCH_OF_PROTOCOL: Final[Mapping[int, str]] = {
    TCP: "tcp",
    UDP: "udp",
    SCTP: "sctp",
    ICMP: "icmp",
    ICMPV6: "icmp6",
}
"""Which match the tool loads of its own accord when an option after -p is not its own."""


def match_kind(name: str, family: int) -> ExtensionKind | None:
    """Return the row of a match that this family has."""
    kind = MATCHES.get(name)
    return kind if kind and family in kind.families else None
