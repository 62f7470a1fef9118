"""What a server tells of itself, in the text format of Prometheus
(https://prometheus.io/docs/instrumenting/exposition_formats/).
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from pathlib import Path

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Of the histogram, seconds."""


class Counters:
    """Counts of one process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests, self.rows = Counter[tuple[str, int]](), Counter[str]()
        self.seconds, self.buckets = defaultdict[str, float](float), Counter[tuple[str, int]]()

    def add(self, endpoint: str, status: int, seconds: float, rows: int) -> None:
        """One request."""
        with self.lock:
            self.requests[endpoint, status] += 1
            self.rows[endpoint] += rows
            self.seconds[endpoint] += seconds
            self.buckets[endpoint, bisect_left(BOUNDS, seconds)] += 1

    def text(self, waiting: int) -> str:
        """All of them."""
        with self.lock:
            lines = [
                "# TYPE velbo_requests_total counter",
                *(f'velbo_requests_total{{endpoint="{e}",status="{s}"}} {n}' for (e, s), n in self.requests.items()),
                "# TYPE velbo_rows_total counter",
                *(f'velbo_rows_total{{endpoint="{e}"}} {n}' for e, n in self.rows.items()),
                "# TYPE velbo_request_seconds histogram",
                *(line for e in self.seconds for line in self._histogram(e)),
            ]
        lines += [
            "# TYPE velbo_waiting_requests gauge",
            f"velbo_waiting_requests {waiting}",
            "# TYPE process_resident_memory_bytes gauge",
            f"process_resident_memory_bytes {resident_bytes()}",
        ]
        return "\n".join(lines) + "\n"

    def _histogram(self, endpoint: str) -> list[str]:
        total, lines = 0, []
        for i, bound in enumerate((*map(str, BOUNDS), "+Inf")):
            total += self.buckets[endpoint, i]
            lines.append(f'velbo_request_seconds_bucket{{endpoint="{endpoint}",le="{bound}"}} {total}')
        lines.append(f'velbo_request_seconds_sum{{endpoint="{endpoint}"}} {self.seconds[endpoint]:.6f}')
        lines.append(f'velbo_request_seconds_count{{endpoint="{endpoint}"}} {total}')
        return lines


def resident_bytes() -> int:
    """Memory of this process; 0 where the system does not say it as Linux does."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
