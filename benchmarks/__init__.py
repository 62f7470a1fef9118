"""A package, so that `python -m benchmarks.faults` means this folder: opacus installs one of the same name, and a
folder without this file would give way to it.
"""
