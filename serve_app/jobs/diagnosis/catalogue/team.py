"""Signatures of a team's own, from ``user_config`` or a file: checked when loaded, then used like the built-in ones.

An entry that is not right is refused with its name: a name that is taken, a pattern that RE2 cannot compile or that
does not find its own examples, an example that is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from serve_app.jobs.diagnosis.catalogue.built_in import CODES, load_built_in
from serve_app.jobs.diagnosis.catalogue.catalogue import Catalogue, ClueRole, Code, Signature, matches_line
from serve_app.jobs.diagnosis.catalogue.pattern import MOST_CHARS, PatternError, compile_pattern
from serve_app.jobs.diagnosis.models import Certainty, CodeClass, SourceKind
from serve_app.strict import StrictModel

MOST_SIGNATURES = 300
_Text = Annotated[str, StringConstraints(min_length=5, max_length=200)]
_Line = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
_Advice = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class SignatureSpec(StrictModel):
    """One signature: how one cause shows itself in one line of a log."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")
    code: str = Field(
        pattern=r"^[a-z][a-z0-9-]{0,30}\.[a-z][a-z0-9-]{0,40}$",
        description="A code of the vocabulary, or one of your own; that needs `title` and `class`.",
    )
    contains: tuple[_Text, ...] = Field(min_length=1, max_length=20, description="One of these is in the line.")
    pattern: str = Field(default="", max_length=MOST_CHARS, description="A regular expression (RE2) found in the line.")
    unless: str = Field(default="", max_length=MOST_CHARS, description="One that is not found in it.")
    role: Literal["cause", "wrapper", "symptom", "warning", "benign"] = "cause"
    certainty: Literal["certain", "likely", "possible"] = "likely"
    kinds: tuple[Literal["driver", "worker", "ray", "system", "serve"], ...] = Field(
        default=(), description="Sources in which it counts; none for all."
    )
    title: str = Field(default="", max_length=120)
    code_class: Literal["transient", "permanent", "capacity", "needs-second-signal", "intended"] | None = Field(
        default=None, alias="class"
    )
    advice: tuple[_Advice, ...] = Field(default=(), max_length=10)
    docs: str = Field(default="", max_length=500, pattern=r"^(https?://\S+)?$")
    matches: tuple[_Line, ...] = Field(min_length=2, max_length=20, description="Lines that it must find.")
    near_misses: tuple[_Line, ...] = Field(min_length=1, max_length=20, description="Lines that it must not find.")

    @model_validator(mode="after")
    def _require_right(self) -> Self:
        problem = self._find_problem()
        if problem:
            raise ValueError(f"signature {self.name!r}: {problem}")
        return self

    def _find_problem(self) -> str:
        for pattern in (self.pattern, self.unless):
            try:
                compile_pattern(pattern)
            except PatternError as error:
                return str(error)
        if self.code not in CODES and not (self.title and self.code_class):
            return f"the code {self.code!r} is not in the vocabulary, so it needs a title and a class"
        signature = self.build_signature()
        missed = [line for line in self.matches if not matches_line(signature, line)]
        if missed:
            return f"it does not find its own example {missed[0][:120]!r}"
        found = [line for line in self.near_misses if matches_line(signature, line)]
        return f"it finds its near miss {found[0][:120]!r}" if found else ""

    def build_signature(self) -> Signature:
        """The entry in the form of the built-in ones."""
        return Signature(
            name=self.name,
            code=self.code,
            contains=self.contains,
            pattern=self.pattern,
            unless=self.unless,
            role=ClueRole(self.role),
            certainty=Certainty(self.certainty),
            kinds=tuple(SourceKind(each) for each in self.kinds),
            advice=self.advice,
            docs=self.docs,
            matches=self.matches,
            near_misses=self.near_misses,
        )


def require_different(specs: Sequence[SignatureSpec]) -> None:
    """Raise ``ValueError`` with the name of an entry whose name is taken, by another or by a built-in one."""
    taken = {each.name for each in load_built_in().signatures}
    for spec in specs:
        if spec.name in taken:
            raise ValueError(f"signature {spec.name!r} is there already; its name must be its own")
        taken.add(spec.name)


def build_catalogue(specs: Sequence[SignatureSpec]) -> Catalogue:
    """The built-in signatures and these."""
    if not specs:
        return load_built_in()
    require_different(specs)
    own = [spec.build_signature() for spec in specs]
    return Catalogue([*load_built_in().signatures, *own], {**CODES, **_build_codes(specs)})


def parse_signatures(text: str) -> tuple[SignatureSpec, ...]:
    """The entries of a YAML list; raises ``ValueError`` with a sentence that names the entry."""
    try:
        rows = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"the signatures are no YAML: {' '.join(str(error).split())[:300]}") from error
    except RecursionError:
        raise ValueError("the signatures are no list of mappings: they nest too deeply") from None
    try:
        return _SPECS.validate_python(rows or [])
    except ValidationError as error:
        raise ValueError("; ".join(_describe_errors(error, rows))) from error


_SPECS: TypeAdapter[tuple[SignatureSpec, ...]] = TypeAdapter(
    Annotated[tuple[SignatureSpec, ...], Field(max_length=MOST_SIGNATURES)]
)


def _describe_errors(error: ValidationError, rows: object) -> Iterable[str]:
    for each in error.errors(include_url=False, include_input=False)[:5]:
        if each["type"] == "value_error":
            # A problem that we found, and whose sentence names its entry.
            yield str(each["ctx"]["error"])
            continue
        place = each["loc"]
        row = rows[place[0]] if isinstance(rows, list) and place and isinstance(place[0], int) else None
        name = row.get("name") if isinstance(row, dict) else None
        where = ".".join(str(part) for part in place[1:])
        yield f"signature {name or place[:1]!r}: {where}: {each['msg']}"


def _build_codes(specs: Iterable[SignatureSpec]) -> Mapping[str, Code]:
    own = (spec for spec in specs if spec.code not in CODES and spec.code_class is not None)
    return {
        spec.code: Code(
            spec.code, CodeClass(str(spec.code_class)), spec.title, spec.title + ".", spec.advice, spec.docs
        )
        for spec in own
    }
