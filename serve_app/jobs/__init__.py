"""Jobs, from top to bottom; each may import only what stands below it (`make lint` holds this).

inspector               the deployment: the parts put together, and what is asked of them
answers · progress      what a GET answers · whether a job moves
logs · watch            logs of submissions · look, judge, record, tell who subscribed
history · settings      what outlives the cluster · ``user_config`` of the inspector
actions · diagnosis     submit, stop, retry, delete · why a job failed
backlog · queries       work that is done once for each job · what may be asked for
reading                 Ray's answers into a ``Snapshot``
views · judging         rows as JSON · what each job is, and what to think of it
models                  the facts: of one moment, and the rows made of them
motion · drivers · serve_facts   facts that stand alone: does it move, a submission's drivers, Serve's account of itself
"""

from __future__ import annotations
