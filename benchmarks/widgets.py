"""A slider's move, as CPU time: at most 100 ms is asked for."""

from time import process_time

import abkit as ab

experiment = ab.Experiment("demo", [ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)], ab.Mean("x"), id="e1")


def slowest(explorer: ab.widgets.Explorer, **moves: list[float]) -> float:
    """Milliseconds of the slowest of the moves."""
    times = []
    for name, values in moves.items():
        for value in values:
            start = process_time()
            explorer.move(**{name: value})
            times.append(process_time() - start)
    return 1000 * max(times)


power = slowest(ab.widgets.power_calculator(), rate=[0.01, 0.3, 0.6], lift=[0.01, 0.2, 0.5])
traffic = slowest(ab.widgets.traffic_simulator(experiment), users=[100, 10_000, 20_000], treatment=[10, 90])
print(f"slowest move: power calculator {power:.1f} ms, traffic simulator {traffic:.1f} ms")
