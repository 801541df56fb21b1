"""One job cut out of the tables of a round."""

from __future__ import annotations

import pytest

from serve_app.jobs.models import Known
from serve_app.jobs.progress.looks.subjects import Surroundings, build_scene, list_subjects
from serve_app.jobs.progress.looks.tables import Tables
from tests.unit.jobs.progress.examples import at
from tests.unit.jobs.progress.looks.examples import task
from tests.unit.jobs.progress.looks.fakes import DOWN, FakeCluster, FakeJob


@pytest.mark.parametrize("partial", [False, True])
async def test_that_the_list_of_its_tasks_was_cut_is_known_of_its_scene(partial: bool) -> None:
    job = FakeJob(0)
    seen = await FakeCluster([job]).get()
    assert job.job_id is not None
    cut = frozenset({job.job_id} if partial else ())
    tables = Tables(at(0), unfinished=Known({job.job_id: (task("t"),)}), partial=cut)
    (subject,) = list_subjects(seen.snapshot, seen.rows)
    scene = build_scene(subject, Surroundings.build(seen.snapshot, tables, DOWN))
    assert scene is not None
    assert (scene.tasks, scene.partial) == ((task("t"),), partial)
