"""Says in which numbers a device computes fastest. No torch."""

from pathlib import Path


def best(*, on_gpu: bool) -> str:
    """bfloat16 pays only where the processor multiplies it: elsewhere PyTorch emulates it, slower than float32."""
    if on_gpu:
        return "float16"
    flags = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), ""
    ).split()
    return "bfloat16" if {"avx512_bf16", "amx_bf16"} & set(flags) else "float32"
