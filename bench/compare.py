"""Measure several pairs in turn, again and again, and print medians and ratios.

Interleaved, because the machine may be faster in one minute than in the next: what is compared was
measured side by side.
"""

import os
import platform
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
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
"""(name of the quantity, case) -> one value for each repetition."""


def interleaved(
    contenders: Mapping[str, Build],
    rule_counts: Sequence[int],
    quantities: Iterable[Quantity],
    *,
    repetitions: int,
    seconds: float,
) -> Samples:
    """Build each pair anew in each repetition, measure every quantity on it, and show progress."""
    samples: dict[tuple[str, Case], list[float]] = defaultdict(list)
    asked = tuple(quantities)
    for repetition in range(repetitions):
        for rules in rule_counts:
            for name, build in contenders.items():
                with build(f"plb{os.getpid()}", rules) as pair:
                    for quantity in asked:
                        value = quantity.measure(pair, seconds)
                        samples[quantity.name, Case(name, rules)].append(value)
                print(f"  repetition {repetition + 1}: {name}, {rules} rules", flush=True)
    return samples


def report(samples: Samples, quantities: Iterable[Quantity], *, line: str) -> None:
    """Print a Markdown table for each quantity: medians, spread, and ratios.

    The first ratio compares medians with those of the contender `line` at the same number of
    rules, the last column compares each case with the same contender's smallest number of rules.
    """
    print(f"\nLinux {platform.release()}, {os.cpu_count()} cores, median (lowest to highest)")
    for quantity in quantities:
        cases = [case for name, case in samples if name == quantity.name]
        medians = {case: median(samples[quantity.name, case]) for case in cases}
        print(f"\n| {quantity.name} | rules | {quantity.unit} | of {line} | of its fewest rules |")
        print("|---|---|---|---|---|")
        for case in sorted(cases):
            values = [value / quantity.divisor for value in samples[quantity.name, case]]
            fewest = min(other for other in cases if other.contender == case.contender)
            print(
                f"| {case.contender} | {case.rules:,} | {median(values):.2f}"
                f" ({min(values):.2f} to {max(values):.2f})"
                f" | {medians[case] / medians[Case(line, case.rules)]:.2f}"
                f" | {medians[case] / medians[fewest]:.2f} |"
            )
