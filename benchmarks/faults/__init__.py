"""A campaign of faults: velbo is killed, starved, fed with damaged files, and must end right every time.

    cases.py      what a case is, which ends are right, the table
    children.py   velbo in a child process: a fork of this one, which has paid for the imports
    material.py   the data and the trained runs that cases begin with
    points.py     a kill before the n-th operation on a file
    kills.py      SIGKILL before every operation on a file, and at random moments; signals; two processes
    sweeps.py     the same of sweeps and their workers; processes whose parent is killed
    limits.py     full disks, limits of the system, folders without permission, odd paths, closed stdout
    inputs.py     damaged and hostile files

A module of cases has ``cases(material, seed)``, which gives them one after another, the same for the same seed. A case
makes all that it needs in an empty folder of its own, so that any of them can be left out or run alone.
"""
