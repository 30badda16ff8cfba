"""Measures what fifty moving cursors cost beside five writers, and what they cost the writers' edits."""

import statistics
import sys

from tests.bench._collab_deliveries import MEMORY, US, Run, Shape, drive, side_by_side
from tests.bench._collab_servers import Backing, Row

SHAPE = Shape(1, 50, 5, 0.4)
CURSORS, CURSOR_HZ = 50, 20
SLOWER = 1.2


def presence(backing: Backing, core: int, *, quick: bool) -> list[Row]:
    still: list[Run] = []
    moving: dict[str, list[Run]] = {US: [], MEMORY: []}
    with side_by_side(backing, core, [MEMORY]) as servers:
        for _ in range(1 if quick else 3):
            for server in servers:
                if server.name == US:
                    still.append(drive(server, SHAPE, quick=quick))
                run = drive(server, SHAPE, quick=quick, cursors=CURSORS, cursor_hz=CURSOR_HZ)
                moving[server.name].append(run)
                print(f"  presence {server.name:<12} {run.cpu_s:.2f} s of CPU  {run}", file=sys.stderr)
                server.has_calmed()
    ours, theirs = moving[US], moving[MEMORY]
    ratio = statistics.median(a.cpu_s / b.cpu_s for a, b in zip(ours, theirs, strict=True))
    seconds = ", ".join(f"{name} {statistics.median(run.cpu_s for run in runs):.2f} s" for name, runs in moving.items())
    p99, before, peer = (statistics.median(run.said["p99_ms"] for run in runs) for runs in (ours, still, theirs))
    return [
        Row(f"presence: CPU, of {MEMORY}'s", ratio, "×", SHAPE.of_memory, f"CPU of the measured time: {seconds}"),
        Row(
            "presence: p99 of edits, of that without cursors",
            p99 / before,
            "×",
            SLOWER,
            f"{before:.1f} → {p99:.1f} ms; {MEMORY} {peer:.1f}",
        ),
        Row("presence: lost, unequal or stale", sum(run.lost + run.said["stale_cursors"] for run in ours), "", 0),
    ]
