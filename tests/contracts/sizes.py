"""Sizes that the suites and their members agree on: F features in, D cells out."""

F, D = 5, 3
