"""A process's memory lies on large pages where the kernel has such, and holds what it held."""

import subprocess
import sys
from pathlib import Path

SWITCH = Path("/sys/kernel/mm/transparent_hugepage/enabled")
CODE = """
from pathlib import Path
from backend.core import memory
kept = [str(number) for number in range(500_000)]
done = memory.use_large_pages()
assert kept == [str(number) for number in range(500_000)]
(line,) = [line for line in Path("/proc/self/smaps_rollup").read_text().splitlines() if "AnonHugePages" in line]
print(done, int(line.split()[1]) * 1024)
"""


def test_what_a_process_holds_comes_to_lie_on_large_pages() -> None:
    """What it says it did is so; on a kernel that gives none it did nothing."""
    ran = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    done, large = map(int, ran.stdout.split())
    assert done <= large
    assert (done > 0) == (SWITCH.exists() and "[never]" not in SWITCH.read_text())
