"""Measures a document whose clients sit on two processes, against the same on one."""

import statistics
import sys

from tests.bench._collab_deliveries import Run, Shape, drive
from tests.bench._collab_servers import Backing, Row, ours

SHAPE = Shape(1, 20, 10, 1.3)
LATER_MS = 4.0


def pair(backing: Backing, core: int, *, quick: bool) -> list[Row]:
    one: list[Run] = []
    two: list[Run] = []
    with ours(backing, core) as first, ours(backing, core) as second:
        for _ in range(1 if quick else 5):
            one.append(drive(first, SHAPE, quick=quick))
            two.append(drive(first, SHAPE, quick=quick, others=[second]))
            print(f"  one {one[-1]}\n  two {two[-1]}", file=sys.stderr)
    later_ms = statistics.median(b.said["p50_ms"] - a.said["p50_ms"] for a, b in zip(one, two, strict=True))
    ratio = statistics.median(b.cost_us / a.cost_us for a, b in zip(one, two, strict=True))
    before_us, after_us = (statistics.median(run.cost_us for run in runs) for runs in (one, two))
    return [
        Row("two processes: CPU, of one's", ratio, "×", SHAPE.of_memory, f"{before_us:.1f} → {after_us:.1f} µs"),
        Row("two processes: p50, beyond one's", later_ms, "ms", LATER_MS, f"{SHAPE}, on one core"),
        Row("two processes: lost or unequal", sum(run.lost for run in two), "", 0),
    ]
