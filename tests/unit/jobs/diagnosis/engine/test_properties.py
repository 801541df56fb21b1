"""What holds of every diagnosis, whatever is in the log."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serve_app.jobs.diagnosis.catalogue.built_in import load_built_in
from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.models import Diagnosis, Fields, SourceKind, TextSource
from serve_app.redaction import REDACTED

_EXAMPLES = [line for signature in load_built_in().signatures for line in signature.matches]
_FRAMES = [
    "Traceback (most recent call last):",
    '  File "a.py", line 3, in <module>',
    "    x()",
    "ValueError: no",
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
    "ray.exceptions.RayTaskError(ValueError): ray::f() (pid=1, ip=10.0.0.1)",
    "  + Exception Group Traceback (most recent call last):",
    "  +-+---------------- 1 ----------------",
    "    | ValueError: a",
    "done",
    "training completed",
    "",
]
_PREFIXES = ["", "", "\x1b[36m(f pid=1)\x1b[0m ", "(raylet) ", "2026-01-02 03:04:05,678 INFO a.py:3 -- ", "10%\r20%\r"]
_LINE = st.tuples(
    st.sampled_from(_PREFIXES), st.one_of(st.sampled_from(_EXAMPLES + _FRAMES), st.text(max_size=60))
).map("".join)
_LOG = st.lists(_LINE, max_size=40).map("\n".join)
_FIELDS = st.builds(
    Fields,
    status=st.sampled_from([None, "FAILED", "SUCCEEDED", "STOPPED", "RUNNING", "PENDING", "NEW_STATUS"]),
    error_type=st.sampled_from([None, "JOB_ENTRYPOINT_COMMAND_ERROR", "RUNTIME_ENV_SETUP_FAILURE", "OTHER"]),
    driver_exit_code=st.one_of(st.none(), st.integers(-15, 260)),
    message=st.one_of(st.none(), st.text(max_size=80)),
    type=st.sampled_from([None, "SUBMISSION", "DRIVER"]),
)
_KINDS = st.sampled_from(list(SourceKind))


def _of(fields: Fields, kind: SourceKind, data: bytes) -> Diagnosis:
    return diagnose(fields, [TextSource("log", kind, [data])])


@given(_FIELDS, _KINDS, st.binary(max_size=2_000))
def test_no_bytes_make_it_fail(fields: Fields, kind: SourceKind, data: bytes) -> None:
    _of(fields, kind, data).render_json()


@given(_FIELDS, _KINDS, _LOG)
def test_evidence_is_a_part_of_its_source(fields: Fields, kind: SourceKind, text: str) -> None:
    diagnosis = _of(fields, kind, text.encode("utf-8", "surrogatepass"))
    decoded = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    lines = decoded.split("\n")
    quotes = [*diagnosis.evidence, *(each for candidate in diagnosis.candidates for each in candidate.evidence)]
    for evidence in quotes:
        if evidence.source == "log" and REDACTED not in evidence.quote:
            assert evidence.quote in lines[evidence.line - 1]


@given(_FIELDS, _KINDS, _LOG)
def test_the_same_log_has_the_same_diagnosis(fields: Fields, kind: SourceKind, text: str) -> None:
    data = text.encode("utf-8", "replace")
    pieces = [data[at : at + 37] for at in range(0, len(data), 37)]
    assert _of(fields, kind, data) == diagnose(fields, [TextSource("log", kind, pieces)])


@given(_LOG)
def test_what_succeeded_has_no_code(text: str) -> None:
    assert (
        _of(Fields(status="SUCCEEDED", type="SUBMISSION"), SourceKind.DRIVER, text.encode("utf-8", "replace")).code
        is None
    )


@given(_LOG)
def test_what_failed_always_has_one(text: str) -> None:
    assert _of(Fields(status="FAILED"), SourceKind.DRIVER, text.encode("utf-8", "replace")).code is not None


@given(_KINDS, _LOG)
def test_no_secret_is_shown(kind: SourceKind, text: str) -> None:
    secret = "AKIAABCDEFGHIJKLMNOP"
    log = "\n".join(f"{line} password={secret} key {secret}" for line in text.split("\n"))
    fields = Fields(status="FAILED", message=f"failed with token={secret}")
    assert secret not in str(_of(fields, kind, log.encode("utf-8", "replace")).render_json())


@given(_LOG, st.sampled_from(["> ", "# ", "2026-01-02T03:04:05.678Z ", "  | "]))
def test_of_an_excerpt_evidence_is_a_part_of_it_as_it_stands(text: str, mark: str) -> None:
    excerpt = "\n".join(mark + line for line in text.split("\n"))
    diagnosis = _of(Fields(), SourceKind.FILE, excerpt.encode("utf-8", "replace"))
    lines = excerpt.encode("utf-8", "replace").decode("utf-8", "replace").split("\n")
    for evidence in diagnosis.evidence:
        if evidence.source == "log" and REDACTED not in evidence.quote:
            assert evidence.quote in lines[evidence.line - 1]


@given(_KINDS, _LOG)
def test_only_what_is_well_has_no_code_and_what_waits_says_for_what(kind: SourceKind, text: str) -> None:
    diagnosis = _of(Fields(), kind, text.encode("utf-8", "replace"))
    assert (diagnosis.code is None) == (diagnosis.state == "well")
    if diagnosis.state == "waiting":
        assert str(diagnosis.code).startswith(("scheduling.", "cluster."))
