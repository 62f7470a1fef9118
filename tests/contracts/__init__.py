"""One inherited suite a family: a new member writes a factory and gets every check.

``from contracts.priors import PriorContract`` in a test module, and a class ``TestMember(PriorContract)``. What several
test modules share beside a suite (commands, cases, models) is in a module of its own in this folder. Nothing is
imported here, so that processes which tests start import no more than they need.
"""
