"""A trained model over HTTP (extra `serve`): rows in, rows out, as JSON, Arrow or Parquet.

    request -> body, checked (wire.py) -> a table -> the one thread that computes (worker.py) -> a table -> answer

An answer is the library's, bit for bit, whoever else asks at the time. Rows of several requests are therefore not put
into one matrix product: a processor multiplies matrices of other heights in another order, and of 64 rows that were
scored alone and together not one log-likelihood had the same last bits. What requests that wait do share is the work
on their cells, turning them into numbers, which is exact and most of what a small request costs (worker.py).
"""

from .settings import Settings

__all__ = ["Settings"]
