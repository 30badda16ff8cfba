"""Waits for what other tasks do."""

import asyncio
from collections.abc import Callable


async def until(test: Callable[[], object], *, timeout_s: float = 10.0) -> None:
    """Raises: TimeoutError."""
    for _ in range(int(timeout_s / 0.01)):
        if test():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError
