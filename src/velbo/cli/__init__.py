"""The command line: talk on stderr, results on stdout or in the file that -o names.

Exit codes: 0; 2 for an error that the user can mend, as one plain line; 130 for an interrupt; 141 if nobody reads what
is printed; 70 for an error that nobody foresaw, of which a file in the run folder tells. Options have the names of
the fields in config.py. Nothing heavy is imported before a command runs.

    app.py        the application, its exit codes and how errors and warnings are shown
    options.py    groups of options
    data.py       rows of files: opened, picked from, mapped into other files
    output.py     results on stdout and in files
    training.py   what verbs that train have in common
    verbs/        one file a verb
"""

from . import verbs
from .app import app, entry, main

__all__ = ["app", "entry", "main", "verbs"]
