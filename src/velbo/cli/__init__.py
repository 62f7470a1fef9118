"""The command line: talk on stderr, results on stdout or in the file that -o names.

Exit codes: 0; 2 for an error that the user can mend, as one plain line; 130 for an interrupt. Options have the names of
the fields in config.py. Nothing heavy is imported before a command runs.

    app.py        the application, its exit codes and how errors and warnings are shown
    options.py    groups of options
    tables.py     rows in from files, results out to files
    train.py      fit, resume, sweep, demo
    examine.py    doctor, gaps, anneal, rate-distortion, quality, refit-prior
    table_verbs.py  schema, impute, what-if, compare, convert
    use.py        evaluate, encode, decode, reconstruct, sample, score, info
"""

from . import examine, table_verbs, train, use
from .app import app, entry, main

__all__ = ["app", "entry", "examine", "main", "table_verbs", "train", "use"]
