"""The targets of iptables that we know, one row each, and what each does to a packet.

Pure.
"""

from collections.abc import Mapping
from typing import Final

from portlight.guest.iptables import target_words as words
from portlight.guest.iptables.extension import Context, ExtensionKind, OptionKind, Read
from portlight.guest.iptables.problems import parameter_problem
from portlight.guest.iptables.readers import mark_and_mask, number_of
from portlight.guest.iptables.rules import Option

VERDICTS: Final = frozenset({"ACCEPT", "DROP", "RETURN", "QUEUE"})
"""The targets that are no extension; ACCEPT and DROP may be a policy."""
POLICIES: Final = frozenset({"ACCEPT", "DROP"})

_LEVELS: Final = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_LEVEL_ALIASES: Final = {"panic": 0, "error": 3, "warn": 4}
_USUAL_LEVEL: Final = "4"
_PREFIX_AT_MOST: Final = 29
"""Bytes; xt_LOG.h keeps 30 with the zero."""

_REJECTIONS: Final[Mapping[int, Mapping[str, str]]] = {
    4: {
        "icmp-net-unreachable": "net-unreach",
        "icmp-host-unreachable": "host-unreach",
        "icmp-proto-unreachable": "proto-unreach",
        "icmp-port-unreachable": "port-unreach",
        "icmp-net-prohibited": "net-prohib",
        "icmp-host-prohibited": "host-prohib",
        "tcp-reset": "tcp-rst",
        "icmp-admin-prohibited": "admin-prohib",
    },
    6: {
        "icmp6-no-route": "no-route",
        "icmp6-adm-prohibited": "adm-prohibited",
        "icmp6-addr-unreachable": "addr-unreach",
        "icmp6-port-unreachable": "port-unreach",
        "tcp-reset": "tcp-reset",
        "icmp6-policy-fail": "policy-fail",
        "icmp6-reject-route": "reject-route",
    },
}
"""By family: what can be said to the sender, and its short name."""


def _read_rejection(values: tuple[str, ...], context: Context) -> tuple[str, ...]:
    for name, short in _REJECTIONS[context.family].items():
        if any(spelling.startswith(values[0].lower()) for spelling in (name, short)):
            return (name,)
    raise parameter_problem(f'unknown reject type "{values[0]}"')


def _settle_reject(options: tuple[Option, ...], context: Context) -> tuple[Option, ...]:
    usual = "icmp-port-unreachable" if context.family == 4 else "icmp6-port-unreachable"  # noqa: PLR2004
    return options or (Option("--reject-with", (usual,)),)


def _read_level(values: tuple[str, ...], _context: Context) -> tuple[str, ...]:
    number = number_of(values[0])
    if number is None:
        word = values[0].lower()
        number = _LEVELS.index(word) if word in _LEVELS else _LEVEL_ALIASES.get(word, -1)
    if not 0 <= number < len(_LEVELS):
        raise parameter_problem(f'log level "{values[0]}" unknown\n')
    return (str(number),)


def _read_prefix(values: tuple[str, ...], _context: Context) -> tuple[str, ...]:
    """Return a prefix, cut to what the kernel keeps."""
    if not values[0]:
        raise parameter_problem("Argument must have a minimum length of 1 characters\n")
    kept = values[0].encode(errors="surrogateescape")[:_PREFIX_AT_MOST]
    return (kept.decode(errors="surrogateescape"),)


def _settle_log(options: tuple[Option, ...], _context: Context) -> tuple[Option, ...]:
    return tuple(each for each in options if each != Option("--log-level", (_USUAL_LEVEL,)))


def _setting(operation: str) -> Read:
    """Return a reader of a mark that gives what --set-xmark would need."""

    def read(values: tuple[str, ...], _context: Context) -> tuple[str, ...]:
        value, mask = mark_and_mask(values[0])
        both = {
            "--set-xmark": (value, mask),
            "--set-mark": (value, mask | value),
            "--and-mark": (0, ~value & 0xFFFFFFFF),
            "--or-mark": (value, value),
            "--xor-mark": (value, 0),
        }[operation]
        return (f"0x{both[0]:x}/0x{both[1]:x}",)

    return read


_SETTING_MARKS: Final = tuple(
    OptionKind(name=name, read=_setting(name))
    for name in ("--set-xmark", "--set-mark", "--and-mark", "--or-mark", "--xor-mark")
)


def _settle_mark(options: tuple[Option, ...], _context: Context) -> tuple[Option, ...]:
    """Say everything by --set-xmark."""
    setting = {kind.name for kind in _SETTING_MARKS}
    return tuple(
        Option("--set-xmark", each.values) if each.name in setting else each for each in options
    )


def _settle_connection_mark(options: tuple[Option, ...], context: Context) -> tuple[Option, ...]:
    """Print both masks with --save-mark and --restore-mark."""
    names = {each.name for each in options}
    masks = tuple(
        Option(name, ("0xffffffff",))
        for name in ("--nfmask", "--ctmask")
        if names & {"--save-mark", "--restore-mark"} and name not in names
    )
    return (*_settle_mark(options, context), *masks)


def _read_translation(values: tuple[str, ...], context: Context) -> tuple[str, ...]:
    _, _, port = values[0].rpartition(":")
    if context.family == 4 and ":" in values[0] and context.protocol is None and port:  # noqa: PLR2004
        raise parameter_problem("Need TCP, UDP, SCTP or DCCP with port specification")
    return values


def _flag(name: str) -> OptionKind:
    return OptionKind(name=name, arguments=0)


_ROWS: Final = (
    *(ExtensionKind(name=name, listing=words.nothing) for name in sorted(VERDICTS)),
    ExtensionKind(
        name="REJECT",
        table="filter",
        options=(OptionKind(name="--reject-with", read=_read_rejection),),
        settle=_settle_reject,
        listing=lambda target, _: f" reject-with {target.value('--reject-with')}",
    ),
    ExtensionKind(
        name="LOG",
        options=(
            OptionKind(name="--log-prefix", read=_read_prefix, is_text=True),
            OptionKind(name="--log-level", read=_read_level),
            *(_flag(name) for name in words.LOG_FLAGS),
        ),
        settle=_settle_log,
        listing=words.list_log,
    ),
    ExtensionKind(
        name="DNAT",
        table="nat",
        chains=("PREROUTING", "OUTPUT"),
        options=(
            OptionKind(name="--to-destination", read=_read_translation),
            _flag("--random"),
            _flag("--persistent"),
        ),
        listing=words.list_translation(" to:"),
    ),
    ExtensionKind(
        name="SNAT",
        table="nat",
        chains=("INPUT", "POSTROUTING"),
        options=(
            OptionKind(name="--to-source", read=_read_translation),
            _flag("--random"),
            _flag("--random-fully"),
            _flag("--persistent"),
        ),
        listing=words.list_translation(" to:"),
    ),
    ExtensionKind(
        name="MASQUERADE",
        table="nat",
        chains=("POSTROUTING",),
        options=(OptionKind(name="--to-ports"), _flag("--random"), _flag("--random-fully")),
        listing=words.list_translation(" masq ports: "),
    ),
    ExtensionKind(
        name="REDIRECT",
        table="nat",
        chains=("PREROUTING", "OUTPUT"),
        options=(OptionKind(name="--to-ports"), _flag("--random")),
        listing=words.list_translation(" redir ports "),
    ),
    ExtensionKind(
        name="MARK",
        missing="MARK: One of the --set-xmark, --{and,or,xor,set}-mark options is required",
        options=_SETTING_MARKS,
        settle=_settle_mark,
        listing=words.list_mark,
    ),
    ExtensionKind(
        name="CONNMARK",
        missing="CONNMARK target: No operation specified",
        options=(
            *_SETTING_MARKS,
            _flag("--save-mark"),
            _flag("--restore-mark"),
            OptionKind(name="--nfmask"),
            OptionKind(name="--ctmask"),
        ),
        settle=_settle_connection_mark,
        listing=words.list_connection_mark,
    ),
    ExtensionKind(
        name="TCPMSS",
        missing="TCPMSS target: At least one parameter is required",
        options=(OptionKind(name="--set-mss"), _flag("--clamp-mss-to-pmtu")),
        listing=words.list_segment_size,
    ),
    ExtensionKind(
        name="NFLOG",
        options=(
            OptionKind(name="--nflog-prefix", is_text=True),
            OptionKind(name="--nflog-group"),
        ),
        listing=words.list_packet_log,
    ),
    ExtensionKind(
        name="NOTRACK", table="raw", list_name="CT", listing=lambda _target, _listing: " NOTRACK"
    ),
    ExtensionKind(name="TRACE", table="raw", listing=words.nothing),
)

TARGETS: Final[Mapping[str, ExtensionKind]] = {kind.name: kind for kind in _ROWS}
