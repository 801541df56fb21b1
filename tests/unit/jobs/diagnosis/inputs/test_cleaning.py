"""Excerpts as people pass them on, each with the log that it was."""

from __future__ import annotations

import json

import pytest

from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.inputs.cleaning import clean
from serve_app.jobs.diagnosis.inputs.reading import EXCERPT_BYTES
from serve_app.jobs.diagnosis.models import Diagnosis, Fields, SourceKind, TextSource

FRAMES = ["Traceback (most recent call last):", '  File "a.py", line 3, in <module>', "    run()", "KeyError: 'row'"]
LOG = "\n".join(FRAMES)


def _of(text: str) -> Diagnosis:
    return diagnose(Fields(), [TextSource("log", SourceKind.FILE, [text.encode()])])


def _number(lines: list[str], form: str) -> str:
    return "\n".join(form.format(number, line) for number, line in enumerate(lines, 7))


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"> {line}" for line in FRAMES),
        "He wrote:\n\n" + "\n".join(f"> > {line}" for line in FRAMES) + "\n\nwhat is it?",
        "```\n" + LOG + "\n```",
        "\n".join(f"  | {line}" for line in FRAMES),
        "`" + LOG + "`",
        "\n".join(f"# {line}" for line in FRAMES),
        LOG.replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#39;"),
        "\n".join(f"\\u001b[36m{line}\\u001b[0m" for line in FRAMES),
        "\n".join(f"^[[2m{line}^[[0m" for line in FRAMES),
        _number(FRAMES, "{}: {}"),
        _number(FRAMES, "{:4} {}"),
        _number(FRAMES, "{} | {}").replace(" |  ", " |  "),
        "\n".join(
            json.dumps({"log": line + "\n", "stream": "stderr", "time": "2024-01-02T03:04:05Z"}) for line in FRAMES
        ),
        "\n".join(json.dumps({"MESSAGE": line, "_PID": "7", "PRIORITY": "3"}) for line in FRAMES),
        "\n".join(json.dumps({"line": line, "timestamp": "1700000000", "labels": {"app": "ray"}}) for line in FRAMES),
        "\n".join(f"Jan 02 03:04:05 node7 ray[812]: {line}" for line in FRAMES),
        "\n".join(f"2024-01-02T03:04:05.678901Z {line}" for line in FRAMES),
        "\n".join(f"2024-01-02T03:04:05.678Z 2024-01-02 04:04:05,678 {line}" for line in FRAMES),
        "\n".join(f"1700000000123\t{line}" for line in FRAMES),
        "\n".join(f"2024-01-02T03:04:05.678901234Z stderr F {line}" for line in FRAMES),
        "\n".join(
            f'time="2024-01-02T03:04:05Z" level=error msg="{line}"'.replace('File "a.py"', 'File \\"a.py\\"')
            for line in FRAMES
        ),
        "failed: " + LOG.replace("\n", "\\n"),
        json.dumps({"error": LOG}),
        "\n".join(json.dumps({"ts": "2024-01-02", "level": "info", "message": line}) for line in FRAMES),
        "\n".join(f"[2024-01-02, 03:04:05 UTC] {{subprocess.py:93}} INFO - {line}" for line in FRAMES),
        "\n".join(f"2024-01-02T03:04:05.678901Z 00O {line}" for line in FRAMES),
        "\n".join(f"[pod/trainer-7/worker] {line}" for line in FRAMES),
        "\n".join(f"{number % 2}: {line}" for number, line in enumerate(FRAMES)),
        "\n".join(f"- {line}" for line in FRAMES),
        "\n".join(line.strip() for line in FRAMES),
        "\n".join(f"(f pid=7, ip=10.0.0.1) {line.strip()}" for line in FRAMES),
    ],
)
def test_the_exception_is_found_in_an_excerpt(text: str) -> None:
    found = _of(text)
    assert found.code in ("app.exception", "app.task-exception")
    assert found.evidence, text
    assert "KeyError" in found.evidence[0].quote
    line = text.split("\n")[found.evidence[0].line - 1]
    assert found.evidence[0].quote in line


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Nothing is done to a log as it stands.
        (LOG, None),
        (">>> import ray\n>>> ray.init()", None),
        ("> one line of an answer", None),
        ("7 rows\n8 columns\n9 tables", None),
        ("2024-01-02 03:04:05,678 INFO a.py:3 -- a\n2024-01-02 03:04:05,679 INFO a.py:3 -- b", None),
        ('{"step": 1, "loss": 0.3}\n{"step": 2, "loss": 0.2}', None),
        ("message: 'it has one quote\nsomething else\nand more", None),
        ("a sentence that ends with a stop. \nand the next", None),
        # Rows of figures are of one width, too.
        ("".join(f"episode {n:04} reward {n:07}.12 length {n:07} loss 0.012{n % 9}\n" for n in range(9)), None),
        ("  12.5  0.25  3.5  4.5  5.5  6.5  7.5  8.5  9.5\n  13.5  0.26  3.5  4.5  5.5  6.5  7.5  8.5 9.5\n", None),
        ("epoch 3 of the training loss 0.2 \nepoch 4 of the training loss 0.1 \n", None),
        ("reading the first of all shards \nDone with the first of all shards \n", None),
        ("Table:\n" + "".join(f" {n}  0a1b{n}  fit  FAILED  0100000{n}\n" for n in range(9)), None),
        ("reading C:\\data\\new\\names.csv", None),
        # What was broken is put together: at a column, between words, by YAML.
        ("the actor or task that you want \nto have now", "the actor or task that you want to have now"),
        (
            "message: 'Deployment ''A'' has 1 replicas\n    that wait: {''CPU'': 2}'\nname: A",
            "message: 'Deployment ''A'' has 1 replicas that wait: {''CPU'': 2}'\nname: A",
        ),
        ("x" * 49 + "a\n" + "y" * 49 + "b\n" + "end", "x" * 49 + "a" + "y" * 49 + "bend"),
        ("a &lt;module&gt; &amp; b", "a <module> & b"),
        # One level for all rows is that of the stream; where they differ, it is that of the line.
        ('{"level": "info", "message": "a"}\n{"level": "info", "message": "b"}', "a\nb"),
        ('{"level": "info", "message": "a"}\n{"level": "error", "message": "b"}', "info a\nerror b"),
        # What stands before the frames stands before all lines; but not what tells the process.
        ("\n".join(f"[worker-{n}] {line}" for n, line in enumerate(FRAMES, 8)), LOG),
        ("\n".join(f"(f pid=7) {line}" for line in FRAMES), None),
        ("\n".join(f"{n % 2}: {line}" for n, line in enumerate(("one", "two", "three"))), "one\ntwo\nthree"),
        ("0: one\nmore of it\n1: two", None),
    ],
)
def test_what_is_done_to_lines(before: str, after: str | None) -> None:
    cleaned = clean(before)
    assert (None if cleaned is None else cleaned.build_text()) == after


def test_a_line_knows_the_lines_that_it_was_made_of() -> None:
    cleaned = clean("first\nthe actor or task that you want \nto have now\nlast")
    assert cleaned is not None
    assert [cleaned.find_origin(line) for line in (1, 2, 3, 99)] == [(1, 1), (2, 3), (4, 4), (4, 4)]


def test_of_a_broken_line_the_part_that_tells_is_quoted() -> None:
    text = (
        "2024-01-02 03:04:05,678 WARNING The actor or task with ID ab \ncannot be scheduled right now. It requires "
        "{GPU: 1} for placement \nand nothing else\n"
    )
    found = _of(text)
    assert found.code == "scheduling.waiting"
    assert found.evidence[0].quote in text.split("\n")[found.evidence[0].line - 1]


def test_no_secret_is_shown_of_a_line_that_was_broken() -> None:
    text = "the request that failed had ValueError: password=abcdefgh1234 \nin it\n" * 3
    assert "abcdefgh1234" not in str(_of(text).render_json())


def test_what_is_larger_than_an_excerpt_is_left_as_it_is() -> None:
    text = "".join(f"> row {number}\n" for number in range(EXCERPT_BYTES // 6)) + "\n" + LOG + "\n"
    assert _of(text).code == "app.exception"
