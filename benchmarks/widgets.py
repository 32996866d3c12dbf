"""A slider's move, as CPU time: at most 100 ms is asked for."""

import argparse
from collections.abc import Iterator
from typing import Any

from measure import case, main, timed

import abkit as ab

EXPERIMENT = ab.Experiment("demo", [ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)], ab.Mean("x"), id="e1")


def slowest(name: str, explorer: ab.widgets.Explorer, **moves: list[float]) -> dict[str, Any]:
    spent = [
        timed(lambda moved=moved, value=value: explorer.move(**{moved: value}))
        for moved, values in moves.items()
        for value in values
    ]
    return case(f"slowest move of the {name}", max(spent), goal_seconds=0.1)


def cases(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    yield slowest("power calculator", ab.widgets.power_calculator(), rate=[0.01, 0.3, 0.6], lift=[0.01, 0.2, 0.5])
    traffic = ab.widgets.traffic_simulator(EXPERIMENT)
    yield slowest("traffic simulator", traffic, users=[100, 10_000, 20_000], treatment=[10, 90])


if __name__ == "__main__":
    main(__file__, cases, __doc__)
