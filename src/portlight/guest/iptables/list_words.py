"""What -L says of a match, word for word.

Pure. Every piece begins with the blank that stands before it.
"""

from collections.abc import Callable

from portlight.guest.iptables.extension import Listing
from portlight.guest.iptables.rules import Extension, Option
from portlight.guest.iptables.settling import TCP_FLAGS

Show = Callable[[Extension, Listing], str]


def _not(option: Option, mark: str = "!") -> str:
    return mark if option.negated else ""


def _port_words(option: Option, protocol: str, listing: Listing) -> str:
    """Return such as ` dpt:22`, or ` spts:!1:1024` for a range."""
    side = "spt" if option.name == "--sport" else "dpt"
    parts = option.values[0].split(":")
    shown = [_port_name(part, protocol, listing) for part in parts]
    return f" {side}{'s' if len(parts) > 1 else ''}:{_not(option)}{':'.join(shown)}"


def _port_name(port: str, protocol: str, listing: Listing) -> str:
    return port if listing.is_numeric else listing.names.service(int(port), protocol)


def list_ports(protocol: str) -> Show:
    """Show a match that has nothing but ports."""

    def show(extension: Extension, listing: Listing) -> str:
        shown = (_port_words(option, protocol, listing) for option in extension.options)
        return f" {protocol}{''.join(shown)}"

    return show


def list_tcp(extension: Extension, listing: Listing) -> str:
    """Show ports, option and flags of TCP."""
    shown = ""
    for option in extension.options:
        if option.name == "--tcp-flags":
            mask, flags = (_flag_words(value, listing) for value in option.values)
            shown += f" flags:{_not(option)}{mask}/{flags}"
        elif option.name == "--tcp-option":
            shown += f" option={_not(option)}{option.values[0]}"
        else:
            shown += _port_words(option, "tcp", listing)
    return f" tcp{shown}"


def flag_bits(text: str) -> int:
    """Return the bits of flags in the spelling of iptables-save."""
    return sum(bit for flag, bit in TCP_FLAGS.items() if flag in text.split(","))


def _flag_words(text: str, listing: Listing) -> str:
    return f"0x{flag_bits(text):02X}" if listing.is_numeric else text


def list_multiport(extension: Extension, listing: Listing) -> str:
    """Show a list of ports; names come from the rule's protocol."""
    (option,) = extension.options
    protocol = listing.names.protocol_name(listing.protocol or 0)
    ports = ",".join(
        ":".join(_port_name(port, protocol, listing) for port in part.split(":"))
        for part in option.values[0].split(",")
    )
    return f" multiport {option.name.removeprefix('--')} {_not(option, ' !')}{ports}"


def list_state(word: str) -> Show:
    """Show connection states."""

    def show(extension: Extension, _listing: Listing) -> str:
        return "".join(
            f"{_not(option, ' !')} {word} {option.values[0]}" for option in extension.options
        )

    return show


def list_conntrack(extension: Extension, _listing: Listing) -> str:
    """Show what conntrack asks, each by the name of its option."""
    return "".join(
        f"{_not(option, ' !')} {option.name.removeprefix('--')} {option.values[0]}"
        for option in extension.options
    )


def list_limit(extension: Extension, _listing: Listing) -> str:
    """Show a rate and its burst."""
    burst = extension.value("--limit-burst") or "5"
    return f" limit: avg {extension.value('--limit')} burst {burst}"


def list_mark(title: str) -> Show:
    """Show a mark; both of its numbers are printed only if the mask matters."""

    def show(extension: Extension, _listing: Listing) -> str:
        (option,) = extension.options
        return f" {title}{_not(option, ' !')} {option.values[0]}"

    return show


def list_address_type(extension: Extension, _listing: Listing) -> str:
    """Show the types of the addresses."""
    limits = {"--limit-iface-in": " limit-in", "--limit-iface-out": " limit-out"}
    shown = "".join(
        limits.get(option.name)
        or f" {option.name.removeprefix('--')} {_not(option)}{option.values[0]}"
        for option in extension.options
    )
    return f" ADDRTYPE match{shown}"


def list_address_range(extension: Extension, _listing: Listing) -> str:
    """Show ranges of addresses."""
    sides = {"--src-range": "source", "--dst-range": "destination"}
    return "".join(
        f" {sides[option.name]} IP range{_not(option, ' !')} {option.values[0]}"
        for option in extension.options
    )


def list_mac(extension: Extension, _listing: Listing) -> str:
    """Show a MAC."""
    (option,) = extension.options
    return f" MAC{_not(option, ' !')} {option.values[0]}"


def list_length(extension: Extension, _listing: Listing) -> str:
    """Show a length or a range of lengths."""
    (option,) = extension.options
    return f" length {_not(option)}{option.values[0]}"


def list_packet_type(extension: Extension, _listing: Listing) -> str:
    """Show how a packet was addressed on its link."""
    (option,) = extension.options
    return f" PKTTYPE {_not(option)}= {option.values[0]}"


def list_time_to_live(title: str) -> Show:
    """Show a comparison of the time to live."""
    signs = {"eq": "==", "lt": "<", "gt": ">"}

    def show(extension: Extension, _listing: Listing) -> str:
        (option,) = extension.options
        sign = "!=" if option.negated else signs[option.name[-2:]]
        return f" {title} match {title} {sign} {option.values[0]}"

    return show


def list_owner(extension: Extension, listing: Listing) -> str:
    """Show who owns the socket."""
    titles = {
        "--uid-owner": "owner UID match",
        "--gid-owner": "owner GID match",
        "--socket-exists": "owner socket exists",
    }
    shown = ""
    for option in extension.options:
        value = "".join(option.values)
        if option.name == "--uid-owner" and not listing.is_numeric and value.isdecimal():
            value = listing.names.users.get(int(value), value)
        # The tool puts the mark of negation before the words.
        shown += f"{_not(option, ' !')} {titles[option.name]}{f' {value}' if value else ''}"
    return shown
