"""velbo on engines for many machines.

arrow_function.py   a trained model as a function of batches of Arrow, for Dask, DuckDB, Polars, Ray Data and Spark
by_ray.py           a training on workers of Ray
blocks.py           rows in blocks, which workers read, or are sent
works.py            what a verb asks of a block
executors.py        who carries out blocks: this process, or actors of Ray
parts.py            a folder of part files, one a block
sweep_by_ray.py     trials of a sweep as tasks of Ray
connection.py       Ray, started here or joined
"""

from .arrow_function import ArrowFunction, arrow_function

__all__ = ["ArrowFunction", "arrow_function"]
