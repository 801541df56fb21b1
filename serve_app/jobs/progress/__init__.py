"""Does a job on its way move? All running jobs are looked at in rounds; one is looked at closer when somebody asks.

rounds                        goes round, holds what was found: the ``Motion`` of each running job
looks                         what a round asks, how it is divided among jobs, remembered, and read
circles                       what fails again and again
standstill                    a ``Motion`` from a trail and the tables beside it
service · stillness           one job when its diagnosis is asked for: the same answer, with measured signals
signals · obstacles · advice  what two looks tell · what has no place · what to do
questions · rows · models     what is asked of one job · Ray's rows into facts · those facts
stack_answers · stacks        where its processes are
log_growth · processes        who wrote to a log · whose processes those are
"""

from __future__ import annotations
