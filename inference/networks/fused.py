"""Hides how parts of a network are compiled, so that a GPU does not write and read what lies between two steps."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch

T = TypeVar("T", bound=Callable[..., Any])
_plain = False


def fused(function: T, *, device: torch.device) -> T:
    """The function; compiled where that pays: on a GPU, when it is called first, for tensors of any size. (What is as
    wide as it is high then is taken to be so always, and what is not compiled anew.)

    It takes a C compiler and a quarter of a minute, and the second time what was kept on the disk. Results may differ
    from the plain ones by rounding.
    """
    if device.type != "cuda" or _plain:
        return function
    return cast(T, torch.compile(function, dynamic=True, mode="max-autotune-no-cudagraphs"))


def plainly() -> None:
    """Compile nothing from now on, where it can't be done."""
    global _plain
    _plain = True
