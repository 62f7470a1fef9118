"""Many trainings side by side: a grid or a random search over options, and the same for several seeds.

A trial is a run folder like any other, written before anything starts; a worker is `velbo resume` on it, one process
with one thread on a core of its own. Two such processes do more work than one process with two threads. A sweep that
is stopped or killed goes on where it was: finished trials are not done again, the others resume, failed ones too. No
worker outlives the sweep.

    sweep.json        what was asked for, and the settings of every trial
    trials/000/ ...   run folders, each with log.txt, and evaluation.json if test data were given
    results.csv       one line a setting, best first; over seeds: mean and standard error

    axes.py       what varies, and every trial's settings
    workers.py    commands side by side: where, and how many at a time
    folder.py     the folder, its trials and its table
"""

from .axes import Axis, Settings, grid, parse_axis, random_search, settings_of
from .folder import Sweep
from .workers import Command, OnCores, OneProcess, Started, Starter, cores

__all__ = [
    "Axis",
    "Command",
    "OnCores",
    "OneProcess",
    "Settings",
    "Started",
    "Starter",
    "Sweep",
    "cores",
    "grid",
    "parse_axis",
    "random_search",
    "settings_of",
]
