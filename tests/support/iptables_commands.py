"""Generated commands of iptables, and ones that it refuses."""

from random import Random

from tests.support.iptables_rules import rule

from portlight.guest.iptables.apply import apply
from portlight.guest.iptables.command import parse_command
from portlight.guest.iptables.names import Names
from portlight.guest.iptables.problems import CommandError
from portlight.guest.iptables.rules import RuleSet, Table
from portlight.guest.iptables.words import split_raw, unquote

REFUSED: tuple[tuple[str, ...], ...] = tuple(
    tuple(line.split())
    for line in """
    -D INPUT 9
    -D INPUT 0
    -D INPUT x
    -D INPUT -s 9.9.9.9 -j DROP
    -D nope 1
    -D nope -j ACCEPT
    -I INPUT 9 -j ACCEPT
    -I INPUT 0 -j ACCEPT
    -R INPUT 9 -j ACCEPT
    -R INPUT -j ACCEPT
    -R INPUT 1 -s 1.1.1.1,2.2.2.2 -j DROP
    -C INPUT -s 9.9.9.9 -j DROP
    -C nope -j DROP
    -A nope -j DROP
    -A INPUT -j nope
    -A INPUT -j INPUT
    -A INPUT -g ACCEPT
    -A a -j a
    -N a
    -N INPUT
    -N ACCEPT
    -N averyveryverylongchainnamelongerthan29
    -N -x
    -X a
    -X nope
    -P a DROP
    -P INPUT REJECT
    -P INPUT nope
    -P INPUT
    -E nope bar
    -E a b
    -E a
    -F nope
    -Z nope
    -A INPUT -i eth0 -o eth1 -j ACCEPT
    -A OUTPUT -i eth0 -j ACCEPT
    -A INPUT -s foo.invalid -j ACCEPT
    -A INPUT -s 1.2.3.4/33 -j ACCEPT
    -A INPUT -s 1.2.3.256 -j ACCEPT
    -A INPUT -p tcp -dport 22 -j ACCEPT
    -A INPUT --dport 22 -j ACCEPT
    -A INPUT -p tcp --dport 70000 -j ACCEPT
    -A INPUT -p tcp --dport 90:80 -j ACCEPT
    -A INPUT -p nope -j ACCEPT
    -A INPUT -p udp -j REJECT --reject-with tcp-reset
    -A INPUT -p tcp --tcp-flags SYN -j ACCEPT
    -A INPUT -m conntrack --ctstate FOO -j ACCEPT
    -A INPUT -m multiport --dports 1 -j ACCEPT
    -A INPUT -p tcp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16 -j ACCEPT
    -A INPUT -m conntrack -j ACCEPT
    -A INPUT -m limit --limit foo -j ACCEPT
    -A INPUT -p tcp --dport 22 -s ! 1.2.3.4 -j ACCEPT
    -A INPUT ! -s 1.2.3.4,5.6.7.8 -j ACCEPT
    -A
    -A INPUT -D INPUT 1
    -L -A INPUT
    -A INPUT -j ACCEPT -j DROP
    -A INPUT -j DNAT --to-destination 1.2.3.4
    -A INPUT -j MASQUERADE
    -t nope -L
    -Q
    -A INPUT --nope
    -A INPUT foo -j ACCEPT
    -A INPUT -p tcp -p udp -j ACCEPT
    -A INPUT -s 1.2.3.4 -s 1.2.3.4 -j ACCEPT
    -A INPUT ! -j ACCEPT
    -A INPUT ! -m tcp
    -A INPUT -i averylonginterfacename -j ACCEPT
    -A INPUT -j ACCEPT -n
    -A INPUT -c 5 -j ACCEPT
    -A INPUT -ptcp -jACCEPT
    -A INPUT -p icmp -m icmp -j DROP
    -A INPUT -m comment -j DROP
    -A INPUT -p tcp --dport 80 --dport 81 -j DROP
    -A INPUT -m state --state NEW --state NEW -j DROP
    -A INPUT -j LOG --log-level nope
    -A INPUT -j REJECT --reject-with nope
    -A INPUT -p icmp --icmp-type host -j DROP
    -A INPUT -p icmp --icmp-type nope -j DROP
    -A INPUT -m mac --mac-source x -j DROP
    -A INPUT -m length --length x -j DROP
    -A INPUT -m addrtype -j DROP
    -A INPUT -j MARK
    """.strip().splitlines()
)
"""For a filter table with the chains a and b; INPUT has one rule, `-j a`, and a has one as well."""


def commands_that_apply(
    random: Random, ruleset: RuleSet, names: Names, *, count: int
) -> tuple[RuleSet, list[list[str]]]:
    """Return a rule set after commands that all succeed by our own model, and the commands."""
    commands: list[list[str]] = []
    while len(commands) < count:
        table = random.choice(list(ruleset.tables))
        line = _command(random, ruleset.tables[table], ruleset.family)
        words = [unquote(word) for word in split_raw(f"-t {table} {line}")]
        try:
            ruleset = apply(ruleset, parse_command(words, ruleset.family, names))
        except CommandError:
            continue
        commands.append(words)
    return ruleset, commands


def _command(random: Random, table: Table, family: int) -> str:
    chain = random.choice(list(table.chains.values()))
    users = [each for each in table.chains if table.chains[each].policy is None]
    user, new = random.choice([*users, "x"]), f"u{random.randrange(6)}"
    sides = {"INPUT": ("-i",), "PREROUTING": ("-i",), "FORWARD": ("-i", "-o")}
    text = _without_foreign_targets(
        rule(random, family, interfaces=sides.get(chain.name, ()), chains=tuple(users)), table.name
    )
    number = random.randrange(1, len(chain.rules) + 2)
    return random.choice(
        (
            f"-A {chain.name} {text}",
            f"-A {chain.name} {text}",
            f"-A {chain.name} {text}",
            f"-I {chain.name} {text}",
            f"-I {chain.name} {number} {text}",
            f"-R {chain.name} {number} {text}",
            f"-D {chain.name} {number}",
            f"-N {new}",
            f"-E {user} {new}",
            f"-X {user}",
            random.choice((f"-F {chain.name}", f"-Z {chain.name}", f"-P {chain.name} ACCEPT")),
        )
    )


def _without_foreign_targets(text: str, table: str) -> str:
    """The nat and the mangle table take no REJECT, and nat no DROP."""
    return text if table == "filter" else text.partition(" -j REJECT")[0].replace("-j DROP", "")
