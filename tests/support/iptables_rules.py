"""Generated rule sets of iptables, as people type them: abbreviated, reordered, by name.

Every line is one that the real tools take. Chance comes in as an argument.
"""

from random import Random

from portlight.guest.iptables.names import Names

FAMILIES = (4, 6)
NAMES = Names(
    services={
        ("ssh", "tcp"): 22,
        ("http", "tcp"): 80,
        ("https", "tcp"): 443,
        ("domain", "udp"): 53,
        ("ntp", "udp"): 123,
    }
)
USER_CHAINS = ("allowed", "sshguard", "Zone1", "a")
_STATES = ("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED")
_FLAGS = ("SYN", "ACK", "FIN", "RST", "PSH", "URG")
_PORT_NAMES = {"tcp": ("ssh", "http", "https"), "udp": ("domain", "ntp")}
_ICMP = {
    4: ("8", "echo-reply", "3/1", "port-unreachable", "ping", "any"),
    6: ("128", "echo-reply", "1/4", "port-unreachable", "packet-too-big"),
}
_REJECTS = {
    4: ("icmp-host-prohibited", "port-unreach", "icmp-admin-prohibited"),
    6: ("icmp6-adm-prohibited", "port-unreach", "no-route"),
}
_ICMP_NAME = {4: "icmp", 6: "ipv6-icmp"}
_ICMP_OPTION = {4: "--icmp-type", 6: "--icmpv6-type"}


def address(random: Random, family: int) -> str:
    """An address of a small pool, so that rules and packets meet."""
    last = random.randrange(1, 6)
    return f"10.9.{random.randrange(2)}.{last}" if family == 4 else f"fd09::{last}"


def network(random: Random, family: int) -> str:
    """A host, a prefix, or a mask that is no prefix."""
    rest: tuple[str, ...]
    if family == 4:
        rest = ("", "/24", "/8", "/255.255.0.0", "/255.0.255.0", "/0", "/31")
    else:
        rest = ("", "/64", "/16", "/127", "/ffff::ffff", "/0")
    return address(random, family) + random.choice(rest)


def port(random: Random, protocol: str) -> str:
    """A port by number or by name, or a range."""
    low = random.choice((0, 22, 53, 80, 443, random.randrange(65536)))
    names = _PORT_NAMES.get(protocol, ())
    ranges = (f"{low}:{random.randrange(low, 65536)}", f":{low}", f"{low}:")
    return random.choice((str(low), str(low), random.choice(ranges), *names))


def _maybe_not(random: Random, text: str) -> str:
    return f"! {text}" if random.random() < 0.2 else text


def _port_option(random: Random, protocol: str) -> str:
    name = random.choice(("--dport", "--sport", "--destination-port", "--source-port"))
    value = port(random, protocol)
    # The nft back end turns a negated range that touches an end around; the legacy one does not.
    negate = ":" not in value and random.random() < 0.2
    return f"{'! ' if negate else ''}{name} {value}"


def _multiport(random: Random, protocol: str) -> str:
    ports = ",".join(
        random.choice((str(random.randrange(65536)), f"{n}:{n + 10}", "22"))
        for n in random.sample(range(60000), random.randrange(1, 6))
    )
    del protocol
    name = random.choice(("--dports", "--sports", "--ports"))
    return f"-m multiport {_maybe_not(random, f'{name} {ports}')}"


def _tcp_flags(random: Random) -> str:
    mask = random.sample(_FLAGS, random.randrange(1, 5))
    wanted = random.sample(mask, random.randrange(len(mask) + 1))
    flags = f"--tcp-flags {','.join(mask)} {','.join(wanted) or 'NONE'}"
    return _maybe_not(random, random.choice((flags, flags, "--syn")))


def protocol_part(random: Random, family: int) -> tuple[str, str]:
    """A protocol and what is asked of it."""
    protocol = random.choice(("tcp", "tcp", "udp", "icmp", "sctp", "47", "all", ""))
    if protocol in {"tcp", "udp", "sctp"}:
        parts = [f"-p {random.choice((protocol, protocol.upper()))}"]
        if random.random() < 0.3:
            parts.append(_multiport(random, protocol))
        elif random.random() < 0.8:
            # Spelled out or implied, it is the same rule.
            parts.append(random.choice(("", f"-m {protocol} ")) + _port_option(random, protocol))
        if protocol == "tcp" and random.random() < 0.3 and "multiport" not in parts[-1]:
            parts.append(_tcp_flags(random))
        return protocol, " ".join(parts)
    if protocol == "icmp":
        kind = _maybe_not(random, f"{_ICMP_OPTION[family]} {random.choice(_ICMP[family])}")
        if kind == "! --icmp-type any":
            kind = "--icmp-type any"
        return protocol, f"-p {_ICMP_NAME[family]} {kind if random.random() < 0.8 else ''}"
    return protocol, f"-p {protocol}" if protocol else ""


def exotic_matches(random: Random, family: int, *, comes_in: bool) -> list[str]:
    """Matches beside the protocol's own, of every kind that listings know."""
    first, last = sorted((address(random, family), address(random, family)))
    ttl = "ttl" if family == 4 else "hl"
    pool = (
        f"-m conntrack {_maybe_not(random, '--ctstate ' + ','.join(random.sample(_STATES, 2)))}",
        f"-m state --state {random.choice(_STATES)}",
        f"-m limit --limit {random.randrange(20, 200)}/{random.choice(('s', 'min', 'hour'))}"
        + random.choice(("", " --limit-burst 7", " --limit-burst 5")),
        f"-m comment --comment {random.choice(('plain', _quoted('two words'), _quoted('a,b:c')))}",
        f"-m mark {_maybe_not(random, random.choice(('--mark 7', '--mark 0x10/0xf0')))}",
        f"-m connmark --mark {random.randrange(99)}",
        f"-m addrtype {_maybe_not(random, '--dst-type LOCAL')}",
        "-m addrtype --src-type MULTICAST,unicast",
        f"-m iprange {_maybe_not(random, f'--src-range {first}-{last}')}",
        f"-m iprange --dst-range {first}-{last}",
        # Only a packet that came in has a sender's MAC.
        *((f"-m mac {_maybe_not(random, '--mac-source 02:00:00:0A:0b:01')}",) if comes_in else ()),
        f"-m length {random.choice(('--length 40:100', '--length 64', '--length :500'))}",
        f"-m pkttype --pkt-type {random.choice(('broadcast', 'multicast', 'unicast'))}",
        f"-m {ttl} {random.choice((f'--{ttl}-eq 64', f'--{ttl}-lt 5', f'! --{ttl}-eq 9'))}",
    )
    return random.sample(pool, random.choice((0, 0, 1, 1, 2)))


def _quoted(text: str) -> str:
    return f'"{text}"'


def filter_target(random: Random, family: int, protocol: str, chains: tuple[str, ...]) -> str:
    """A target of the filter table, or nothing."""
    if protocol == "tcp" and random.random() < 0.2:
        return "-j REJECT --reject-with tcp-reset"
    return random.choice(
        (
            "-j ACCEPT",
            "-j ACCEPT",
            "-j DROP",
            "-j REJECT",
            f"-j REJECT --reject-with {random.choice(_REJECTS[family])}",
            "-j RETURN",
            f"-j LOG --log-prefix {_quoted('in: ')} --log-level {random.choice(('info', '4'))}",
            "-j LOG --log-uid --log-tcp-options",
            "-j NFLOG --nflog-group 3 --nflog-prefix seen",
            *(f"-{random.choice('jjg')} {name}" for name in chains),
            "",
        )
    )


def rule(
    random: Random, family: int, *, interfaces: tuple[str, ...], chains: tuple[str, ...]
) -> str:
    """The specification of one rule of the filter table."""
    protocol, asked = protocol_part(random, family)
    parts = [
        *(
            _maybe_not(random, f"{option} {network(random, family)}")
            for option in random.choice(((), ("-s",), ("-d",), ("-s", "--destination")))
        ),
        *(
            _maybe_not(random, f"{name} {random.choice(('eth0', 'eth+', 'lo'))}")
            for name in interfaces
        ),
    ]
    # iptables takes no negated "everything".
    parts = [part for part in parts if not (part.startswith("! -") and part.endswith("/0"))]
    random.shuffle(parts)
    return " ".join(
        (
            *parts,
            asked,
            *exotic_matches(random, family, comes_in="-i" in interfaces),
            filter_target(random, family, protocol, chains),
        )
    )


def _chain_rules(random: Random, family: int, count: int) -> list[str]:
    lines = []
    for _ in range(count):
        chain = random.choice(("INPUT", "FORWARD", "OUTPUT", *USER_CHAINS))
        sides = {"INPUT": ("-i",), "OUTPUT": ("-o",), "FORWARD": ("-i", "-o")}.get(chain, ())
        interfaces = tuple(side for side in sides if random.random() < 0.4)
        # Only later chains are jumped to: no circles.
        place = USER_CHAINS.index(chain) + 1 if chain in USER_CHAINS else 0
        text = rule(random, family, interfaces=interfaces, chains=USER_CHAINS[place:])
        counters = f"[{random.randrange(10 ** random.randrange(1, 12))}:{random.randrange(10**9)}] "
        lines.append(f"{counters}-A {chain} {text}")
    return lines


def translations(random: Random, family: int) -> list[str]:
    """A nat and a mangle table."""
    to = address(random, family)
    with_port = f"{to}:8080" if family == 4 else f"[{to}]:8080"
    return [
        "*nat",
        f"-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination {with_port}",
        f"-A PREROUTING -p udp -j DNAT --to {to} --persistent",
        "-A PREROUTING -p tcp --dport 81 -j REDIRECT --to-ports 8080",
        "-A POSTROUTING -o eth0 -j MASQUERADE --random",
        f"-A POSTROUTING -p tcp -j SNAT --to-source {to}",
        "COMMIT",
        "*mangle",
        *(f"-A PREROUTING -j MARK --{kind}-mark 5" for kind in ("set", "and", "or", "xor")),
        "-A PREROUTING -j MARK --set-xmark 0x1/0xff",
        "-A POSTROUTING -j CONNMARK --save-mark",
        "-A FORWARD -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu",
        "COMMIT",
    ]


def save_file(random: Random, family: int, *, rules: int) -> str:
    """A whole save file as a person might write it."""
    policies = (
        f":{chain} {random.choice(('ACCEPT', 'DROP'))} "
        f"[{random.randrange(10 ** random.randrange(1, 13))}:{random.randrange(10**12)}]"
        for chain in ("INPUT", "FORWARD", "OUTPUT")
    )
    lines = [
        "*filter",
        *policies,
        *(f":{name} - [0:0]" for name in USER_CHAINS),
        *_chain_rules(random, family, rules),
        "COMMIT",
        *translations(random, family),
    ]
    return "\n".join((*lines, ""))
