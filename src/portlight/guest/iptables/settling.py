"""What the tool makes of the options of a match: defaults, checks, joined options.

Pure. Each raises CommandError with the tool's own words.
"""

from typing import Final

from portlight.guest.iptables.extension import Context, Read
from portlight.guest.iptables.names import DCCP, SCTP, TCP, UDP, UDPLITE
from portlight.guest.iptables.problems import parameter_problem
from portlight.guest.iptables.readers import number_of, number_range, read_protocol
from portlight.guest.iptables.rules import Option

TCP_FLAGS: Final = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32}
SYN_ONLY: Final = ("FIN,SYN,RST,ACK", "SYN")
"""What --syn stands for."""
_ALL_PORTS: Final = "0:65535"
_SECONDS: Final = {"day": 86400, "hour": 3600, "min": 60, "sec": 1}
_LIMIT_SCALE: Final = 10000
"""Periods are counted in ten-thousandths of a second (xt_limit.h)."""
_BURST: Final = "5"
_MAC_PARTS = 6


def ports(options: tuple[Option, ...], _context: Context) -> tuple[Option, ...]:
    """Drop ranges that say nothing; refuse one that could never match.

    iptables 1.8.9 with nftables makes a rule that always matches of the latter.
    """
    if any(each.negated and each.values == (_ALL_PORTS,) for each in options):
        raise parameter_problem("rule would never match: no port is outside 0:65535")
    return tuple(each for each in options if each.values != (_ALL_PORTS,))


def tcp(options: tuple[Option, ...], context: Context) -> tuple[Option, ...]:
    """Write --syn out, and drop ranges that say nothing."""
    written = tuple(
        Option("--tcp-flags", SYN_ONLY, each.negated) if each.name == "--syn" else each
        for each in options
    )
    return ports(written, context)


def read_tcp_flags(values: tuple[str, ...], _context: Context) -> tuple[str, ...]:
    """Return mask and flags in the order of the header."""
    return _flags(values[0]), _flags(values[1])


def _flags(text: str) -> str:
    given = text.upper().split(",")
    wanted = set(TCP_FLAGS) if "ALL" in given else set(given) - {"NONE"}
    unknown = wanted - set(TCP_FLAGS)
    if unknown:
        raise parameter_problem(f"Unknown TCP flag `{min(unknown)}'")
    return ",".join(flag for flag in TCP_FLAGS if flag in wanted) or "NONE"


def multiport(options: tuple[Option, ...], context: Context) -> tuple[Option, ...]:
    """Check that there is one list, and a protocol that has ports."""
    if context.protocol is None:
        raise parameter_problem(
            "multiport needs `-p tcp', `-p udp', `-p udplite', `-p sctp' or `-p dccp'"
        )
    if context.protocol not in {TCP, UDP, UDPLITE, SCTP, DCCP}:
        raise parameter_problem("multiport only works with TCP, UDP, UDPLITE, SCTP and DCCP")
    if len(options) > 1:
        full = {"--sports": "--source-ports", "--dports": "--destination-ports"}
        last, first = (full.get(each.name, each.name) for each in reversed(options[:2]))
        raise parameter_problem(
            f'multiport: option "{last}" cannot be used together with "{first}".\n'
        )
    return options


def limit(options: tuple[Option, ...], _context: Context) -> tuple[Option, ...]:
    """Print the rate always and the burst only if it is not the usual one."""
    given = {each.name: each for each in options}
    rate = given.get("--limit", Option("--limit", ("3/hour",)))
    burst = given.get("--limit-burst")
    return (rate, burst) if burst and burst.values != (_BURST,) else (rate,)


def read_rate(values: tuple[str, ...], _context: Context) -> tuple[str, ...]:
    """Return a rate in the unit in which the tool shows it: its period is kept, not its text."""
    text = values[0]
    count, slash, unit = text.partition("/")
    names = [name for name in ("second", "minute", "hour", "day") if name.startswith(unit.lower())]
    rate = number_of(count)
    if not rate or rate < 0 or (slash and (not unit or not names)):
        raise parameter_problem(f'bad rate "{text}"\'')
    seconds = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}[
        names[0] if slash else "second"
    ]
    period = _LIMIT_SCALE * seconds // rate
    if period == 0:
        raise parameter_problem(f'Rate too fast "{text}"')
    return (rate_text(period),)


def rate_text(period: int) -> str:
    """Return a period of ten-thousandths of a second as a rate, in the greatest unit that fits."""
    shown = "day"
    for name, seconds in list(_SECONDS.items())[1:]:
        scaled = seconds * _LIMIT_SCALE
        if period > scaled or scaled // period < scaled % period:
            break
        shown = name
    return f"{_SECONDS[shown] * _LIMIT_SCALE // period}/{shown}"


def read_mac(values: tuple[str, ...], _context: Context) -> tuple[str, ...]:
    """Return a MAC in lower case with two digits a byte."""
    parts = values[0].split(":")
    numbers = [
        int(part, 16) for part in parts if part and set(part) <= set("0123456789abcdefABCDEF")
    ]
    if len(parts) != _MAC_PARTS or len(numbers) != _MAC_PARTS or max(numbers) > 255:  # noqa: PLR2004
        raise parameter_problem("Invalid MAC address specified.")
    return (":".join(f"{number:02x}" for number in numbers),)


def bad_address_type(word: str) -> str:
    """Return the words for an address type that does not exist."""
    return f'addrtype: bad type "{word}"'


def read_packet_type(known: tuple[str, ...]) -> Read:
    """Return a reader of a packet type; `bcast` and the like are its short names."""
    short = {"bcast": "broadcast", "mcast": "multicast", "host": "unicast"}

    def read(values: tuple[str, ...], _context: Context) -> tuple[str, ...]:
        word = short.get(values[0].lower(), values[0].lower())
        if word not in known:
            raise parameter_problem(f"Bad packet type '{values[0]}'")
        return (word,)

    return read


def read_ctproto(values: tuple[str, ...], context: Context) -> tuple[str, ...]:
    """Return the number of a protocol."""
    return (read_protocol(values[0], context.names),)


def read_user(values: tuple[str, ...], context: Context) -> tuple[str, ...]:
    """Return a user's number, or a range of numbers."""
    for number, name in context.names.users.items():
        if name == values[0]:
            return (str(number),)
    return number_range("owner", "--uid-owner", "-", 2**32 - 2)(values, context)
