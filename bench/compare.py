"""Measure several pairs in turn, for a moment each, again and again; print medians and ratios.

Interleaved, because the machine may be faster in one minute than in the next: what is compared was
measured side by side.
"""

import os
import platform
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from statistics import median

from bench.pair import Pair

Build = Callable[[str, int], AbstractContextManager[Pair]]
Measure = Callable[[Pair, float], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """Something to measure, with the unit and the divisor in which it is printed."""

    name: str
    unit: str
    divisor: float
    measure: Measure


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """One contender with one number of rules."""

    contender: str
    rules: int


Samples = Mapping[tuple[str, Case], Sequence[float]]
"""(name of the quantity, case) -> one value for each round."""


def interleaved(
    contenders: Mapping[str, Build],
    rule_counts: Sequence[int],
    quantities: Iterable[Quantity],
    *,
    rounds: int,
    seconds: float,
) -> Samples:
    """Build every pair, then measure each for a moment in each round, and show progress.

    Every second round goes backwards, so that a machine that gets slower favours nobody.
    """
    samples: dict[tuple[str, Case], list[float]] = defaultdict(list)
    with ExitStack() as stack:
        pairs: dict[Case, Pair] = {}
        for rules in rule_counts:
            for name, build in contenders.items():
                print(f"  building {name}, {rules} rules", flush=True)
                prefix = f"plb{os.getpid()}x{len(pairs)}"
                pairs[Case(name, rules)] = stack.enter_context(build(prefix, rules))
        for turn in range(rounds):
            print(f"  round {turn + 1} of {rounds}", flush=True)
            for quantity in quantities:
                for case in sorted(pairs, reverse=bool(turn % 2)):
                    value = quantity.measure(pairs[case], seconds)
                    samples[quantity.name, case].append(value)
    return samples


def report(samples: Samples, quantities: Iterable[Quantity], *, line: str) -> None:
    """Print a Markdown table for each quantity: medians, spread, and ratios.

    A ratio is the median of the ratios within each round: the first to the contender `line` with
    as many rules, the second to the same contender with its fewest rules.
    """
    print(f"\nLinux {platform.release()}, {os.cpu_count()} cores, median (lowest to highest)")
    for quantity in quantities:
        of = {case: values for (name, case), values in samples.items() if name == quantity.name}
        print(f"\n| {quantity.name} | rules | {quantity.unit} | of {line} | of its fewest rules |")
        print("|---|---|---|---|---|")
        for case in sorted(of):
            values = [value / quantity.divisor for value in of[case]]
            fewest = min(other for other in of if other.contender == case.contender)
            print(
                f"| {case.contender} | {case.rules:,} | {median(values):.1f}"
                f" ({min(values):.1f} to {max(values):.1f})"
                f" | {_ratio(of[case], of[Case(line, case.rules)]):.2f}"
                f" | {_ratio(of[case], of[fewest]):.2f} |"
            )


def _ratio(values: Sequence[float], line: Sequence[float]) -> float:
    return median(value / other for value, other in zip(values, line, strict=True) if other)
