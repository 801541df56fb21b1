"""Every skill that comes with the organs, once."""

from __future__ import annotations

from typing import Any

from organs.skills.cluster import ClusterNodes, ClusterResources
from organs.skills.contract import Skill
from organs.skills.diagnose import JobDiagnose
from organs.skills.explain import JobExplain
from organs.skills.http import HttpGet
from organs.skills.memory import MemoryGet, MemoryPut, MemorySearch
from organs.skills.plan import TaskPlan
from organs.skills.preview import TaskPreview
from organs.skills.probe import OrganProbe

BUILT_IN: tuple[type[Skill[Any]], ...] = (
    TaskPlan,
    JobExplain,
    JobDiagnose,
    TaskPreview,
    HttpGet,
    OrganProbe,
    MemoryPut,
    MemoryGet,
    MemorySearch,
    ClusterResources,
    ClusterNodes,
)
