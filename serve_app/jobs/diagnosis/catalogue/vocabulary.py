"""The vocabulary: every cause with its class, what happened, what to change, and where Ray tells more. Part of the API.

Codes may be added, never renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from serve_app.jobs.diagnosis.catalogue.code import Code
from serve_app.jobs.diagnosis.catalogue.codes.cluster import CLUSTER_CODES
from serve_app.jobs.diagnosis.catalogue.codes.program import PROGRAM_CODES
from serve_app.jobs.diagnosis.catalogue.codes.resources import RESOURCE_CODES

CODES: Mapping[str, Code] = MappingProxyType(
    {each.code: each for each in (*PROGRAM_CODES, *RESOURCE_CODES, *CLUSTER_CODES)}
)
# Codes that no evidence can show here, with the reason.
NOT_DETECTABLE: Mapping[str, str] = MappingProxyType({})
