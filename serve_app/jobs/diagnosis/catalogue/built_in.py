"""The causes and signatures of this version. The codes are part of the API: they may be added, never renamed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType

from serve_app.jobs.diagnosis.catalogue.catalogue import Catalogue, Code, Signature, SignatureListError
from serve_app.jobs.diagnosis.catalogue.codes.cluster import CLUSTER_CODES
from serve_app.jobs.diagnosis.catalogue.codes.hosts import HOST_CODES
from serve_app.jobs.diagnosis.catalogue.codes.program import PROGRAM_CODES
from serve_app.jobs.diagnosis.catalogue.codes.resources import RESOURCE_CODES
from serve_app.jobs.diagnosis.catalogue.signatures import FAMILIES

CODES: Mapping[str, Code] = MappingProxyType(
    {each.code: each for each in (*PROGRAM_CODES, *RESOURCE_CODES, *CLUSTER_CODES, *HOST_CODES)}
)


@cache
def load_built_in() -> Catalogue:
    """The signatures of this version, with its codes."""
    return Catalogue(join_families(FAMILIES), CODES)


def join_families(families: Iterable[Sequence[Signature]]) -> Sequence[Signature]:
    """The signatures of all files; raises ``SignatureListError`` for a file that has none."""
    signatures: list[Signature] = []
    for place, family in enumerate(families):
        if not family:
            raise SignatureListError(f"family {place} of the built-in signatures is empty")
        signatures += family
    return signatures
