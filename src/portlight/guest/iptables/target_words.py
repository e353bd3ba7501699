"""What -L says of a target, word for word.

Pure. Every piece begins with the blank that stands before it.
"""

from typing import Final

from portlight.guest.iptables.extension import Listing
from portlight.guest.iptables.list_words import Show
from portlight.guest.iptables.readers import mark_and_mask
from portlight.guest.iptables.rules import Extension

LOG_FLAGS: Final = {
    "--log-tcp-sequence": (1, "tcp-sequence"),
    "--log-tcp-options": (2, "tcp-options"),
    "--log-ip-options": (4, "ip-options"),
    "--log-uid": (8, "uid"),
    "--log-macdecode": (32, "macdecode"),
}
"""By option: its bit (xt_LOG.h) and its word."""
_LEVEL_WORDS: Final = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")
_FULL_MASK: Final = 2**32 - 1


def nothing(_target: Extension, _listing: Listing) -> str:
    """Show nothing: the name says it all."""
    return ""


def list_log(target: Extension, listing: Listing) -> str:
    """Show how a packet is logged."""
    given = [LOG_FLAGS[option.name] for option in target.options if option.name in LOG_FLAGS]
    level = int(target.value("--log-level") or 4)
    prefix = target.value("--log-prefix")
    if listing.is_numeric:
        shown = f" LOG flags {sum(bit for bit, _ in given)} level {level}"
    else:
        shown = f" LOG level {_LEVEL_WORDS[level]}" + "".join(f" {word}" for _, word in given)
    return f'{shown} prefix "{prefix}"' if prefix else shown


def list_translation(title: str) -> Show:
    """Show what an address or a port becomes."""

    def show(target: Extension, _listing: Listing) -> str:
        return "".join(
            f"{title}{option.values[0]}" if option.values else f" {option.name.removeprefix('--')}"
            for option in target.options
        )

    return show


def list_mark(target: Extension, _listing: Listing) -> str:
    """Show what happens to the mark, by the operation that says it shortest."""
    return f" MARK {mark_words(target.value('--set-xmark') or '0/0')}"


def mark_words(text: str) -> str:
    """Return such as `set 0x5` or `or 0x1` for value/mask."""
    mark, mask = mark_and_mask(text)
    if mark == 0:
        return f"and 0x{~mask & _FULL_MASK:x}"
    if mark == mask:
        return f"or 0x{mark:x}"
    if mask == 0:
        return f"xor 0x{mark:x}"
    if mask == _FULL_MASK:
        return f"set 0x{mark:x}"
    return f"xset 0x{mark:x}/0x{mask:x}"


def list_connection_mark(target: Extension, _listing: Listing) -> str:
    """Show what happens to the connection's mark."""
    setting = target.value("--set-xmark")
    if setting is not None:
        return f" CONNMARK {mark_words(setting)}"
    words = " CONNMARK " + ("save" if target.options[0].name == "--save-mark" else "restore")
    packet, connection = target.value("--nfmask"), target.value("--ctmask")
    if packet == connection:
        return words if packet == "0xffffffff" else f"{words} mask {packet}"
    return f"{words} nfmask {packet} ctmask ~{connection}"


def list_segment_size(target: Extension, _listing: Listing) -> str:
    """Show the greatest segment."""
    size = target.value("--set-mss")
    return f" TCPMSS set {size}" if size else " TCPMSS clamp to PMTU"


def list_packet_log(target: Extension, _listing: Listing) -> str:
    """Show group and prefix of a log in user space."""
    return "".join(
        f" {option.name.removeprefix('--')} {option.values[0]}" for option in target.options
    )
