"""What a measurement was taken on: processor, threads, versions, and the machine's own matrix-multiply rate."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch

SQUARE = 1024


def processor() -> str:
    """The processor's name, as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def matmul_rate(dtype: torch.dtype, shape: tuple[int, int, int] = (128, 784, 512), repeats: int = 200) -> float:
    """GFLOP/s of (n, k) @ (k, m), median of ``repeats``: the shapes that the benchmarked layers have."""
    n, k, m = shape
    a, b = torch.randn(n, k).to(dtype), torch.randn(k, m).to(dtype)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - start)
    return 2 * n * k * m / median(seconds) / 1e9


def matrix_rate() -> float:
    """float32 operations a second of products of large square matrices, what a share is told of."""
    return matmul_rate(torch.float32, (SQUARE, SQUARE, SQUARE), 10) * 1e9


def describe() -> dict[str, Any]:
    """One record for the results file."""
    return {
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "matmul_float32_gflops": round(matmul_rate(torch.float32), 1),
        "matmul_bf16_gflops": round(matmul_rate(torch.bfloat16), 1),
    }
