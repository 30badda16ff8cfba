"""Runs one measurement and holds it against its bars: `python -m tests.bench NAME`, QUICK=1 for a short go.

A measurement is a module of this folder with `rows() -> list[dict]`; each row has name, value, unit, bar (a text, or
None), ok (None where there is no bar) and beside (what the value is compared with, or None).
"""

import importlib
import json
import pkgutil
import signal
import sys
from pathlib import Path
from typing import Any

import tests.bench as bench
from backend.embedded.plan import ROOT


def names() -> list[str]:
    return sorted(
        module.name.replace("_", "-")
        for module in pkgutil.iter_modules(bench.__path__)
        if not module.name.startswith("_")
    )


def show(rows: list[dict[str, Any]]) -> str:
    """The rows as a table for a person."""
    cells = [("", "what", "value", "unit", "bar", "beside")]
    for row in rows:
        mark = {True: "✓", False: "✗", None: " "}[row["ok"]]
        value = f"{row['value']:.4g}" if isinstance(row["value"], float) else str(row["value"])
        cells.append((mark, row["name"], value, row["unit"], str(row["bar"] or ""), str(row["beside"] or "")))
    widths = [max(len(line[column]) for line in cells) for column in range(6)]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in cells)


def main(arguments: list[str]) -> int:
    name = arguments[0].replace("_", "-") if len(arguments) == 1 else ""
    if name not in names():
        print("make bench NAME=…, one of: " + ", ".join(names()), file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was started is ended
    rows = importlib.import_module(f"tests.bench.{name.replace('-', '_')}").rows()
    print(show(rows))
    folder = ROOT / "var" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    Path(folder, f"{name}.json").write_text(json.dumps(rows, indent=1))
    return 0 if all(row["ok"] is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
