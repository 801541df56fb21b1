"""How many small faults in the judging the unit tests notice: ``python -m tests.mutation``, or ``make mutants``.

Why not a kept library: mutmut 3.8 changes nothing outside functions, no function with a decorator and no f-string, so
of the tables of rules, of the properties they ask and of the sentences, which are most of this package, it sees
nothing; cosmic-ray 8.7 changes no text and no table and starts a process for each mutant; neither draws a sample by a
seed.
"""

from __future__ import annotations
