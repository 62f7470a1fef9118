"""velbo on engines for many machines.

arrow_function.py   a trained model as a function of batches of Arrow, for Dask, DuckDB, Polars, Ray Data and Spark
"""

from .arrow_function import ArrowFunction, arrow_function

__all__ = ["ArrowFunction", "arrow_function"]
