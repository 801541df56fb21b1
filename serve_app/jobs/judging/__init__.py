"""What each job is, what became of it, and whether that was expected. Pure: no Ray, no clock, no store.

It imports the facts (``jobs.models``, ``motion``, ``drivers``, ``serve_facts``), ``outcomes``, ``parts``, ``strict``,
``queries.job_names`` and ``organs.times``, and nothing else of ours.

judge                      a snapshot's rows, the newest first; also those that Ray's list leaves out
case · case_maker          what is known of one job, brought together before a rule speaks, and what rules ask of it
kinds · kind_specs         what a job is for, by rules · kinds that a team declares
expectations               what is normal for a kind
outcome · pending          what became of it · why it has not started
contradiction              what its drivers and tasks say against that
run_marks                  where one run begins in a log that holds several, and in Ray's message that quotes it
successors                 a later job that made it good
motion_rules               a job that goes in circles or stands still: what to think of that, and in which words
verdict_words              what a rule of verdicts says
verdicts                   whether that was expected: rules as rows
findings                   what is wrong beyond one verdict: circling, stuck, missing, overdue, left over
"""

from __future__ import annotations
