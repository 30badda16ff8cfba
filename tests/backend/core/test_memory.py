"""What a process freed is the system's again."""

import subprocess
import sys

CODE = """
import psutil
from backend.core import memory
process = psutil.Process()
kept = []
held = []
for _ in range(2_000):  # pieces of the heap, with others between that stay
    held.append(bytearray(20_000))
    kept.append(bytearray(600))
before = process.memory_info().rss
held.clear()
memory.give_back()
print(before - process.memory_info().rss)
"""


def test_what_was_freed_is_given_back() -> None:
    ran = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert int(ran.stdout) > 10_000_000
