"""What each job is, what became of it, and whether that was expected. Pure: no Ray, no clock, no store.

It imports ``jobs.models``, ``jobs.drivers``, ``jobs.motion``, ``outcomes``, ``parts`` and ``strict``, and nothing else
of this application.

judge                      a snapshot's rows, the newest first; also those that Ray's list leaves out
case                       what is known of one job, brought together before a rule speaks
kinds · kind_specs         what a job is for, by rules · kinds that a team declares (with ``patterns``)
expectations               what is normal for a kind
outcome · pending          what became of it · why it has not started
contradiction              what its drivers and tasks say against that
successors                 a later job that made it good
verdicts                   whether that was expected: rules as rows
findings                   what is wrong beyond one verdict: stuck, missing, overdue, left over
"""

from __future__ import annotations
