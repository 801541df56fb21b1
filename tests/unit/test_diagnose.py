"""``python -m serve_app.diagnose`` on files."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from serve_app import diagnose

FAILED = b'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\nValueError: no such table\n'


def _file(folder: Path, data: bytes, name: str = "job.log") -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


def test_one_object_a_line_for_each_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = _file(tmp_path, FAILED), _file(tmp_path, b"all is well\n", "good.log")
    assert diagnose.main([bad, good, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["source"], row["code"], row["certainty"], row["class"]) for row in rows] == [
        (bad, "app.exception", "certain", "permanent"),
        (good, None, None, None),
    ]
    assert rows[0]["evidence"] == [{"source": bad, "line": 3, "quote": "ValueError: no such table"}]
    assert {"chain", "candidates", "advice", "docs", "unavailable"} <= set(rows[0])


RUN = (
    b"2026-11-27 12:00:00,123\tINFO job_manager.py:581 -- Runtime env is setting up.\nRunning entrypoint for job n: a\n"
)


@pytest.mark.parametrize(
    ("name", "data", "code", "begin"),
    [
        (
            "job-driver-n.log",
            RUN + FAILED + RUN + b"ModuleNotFoundError: No module named 'x'\n",
            "app.import-error",
            True,
        ),
        ("job-driver-n.log", RUN + FAILED + b"x" * 200_000 + b"\n" + RUN + b"fine\n", None, True),
        ("job-driver-n.log", RUN + FAILED, "app.exception", False),
        ("job-driver-n.log", b"", "unknown", False),
        # Of a file with another name nobody knows whose lines those are.
        ("job.log", RUN + FAILED + RUN + b"fine\n", "app.exception", False),
    ],
)
def test_a_log_of_several_runs_is_read_from_the_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes, code: str | None, begin: bool
) -> None:
    file = _file(tmp_path, data, name)
    assert diagnose.main([file, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["code"] == code
    sources = {each["source"] for each in row["evidence"]}
    assert sources <= {f"{file} from byte {data.rindex(RUN)}" if begin else file}


def test_a_run_that_never_got_to_its_command_is_the_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up = RUN.partition(b"Running")[0]
    file = _file(tmp_path, RUN + FAILED + set_up + b"ModuleNotFoundError: No module named 'x'\n", "job-driver-n.log")
    assert diagnose.main([file, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["code"], row["evidence"][0]["source"]) == ("app.import-error", f"{file} from byte {len(RUN + FAILED)}")


def test_readable_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = _file(tmp_path, FAILED)
    assert diagnose.main([bad]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        f"{bad}: an uncaught exception of the program: ValueError: no such table (a.py:1) (app.exception; "
    )
    assert f"{bad}:3: ValueError: no such table" in out
    assert "what to do" in out


def test_standard_input_and_fields(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"step 1\n")))
    assert diagnose.main(["-", "--json", "--field", "status=FAILED", "--field", "driver_exit_code=137"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["source"], row["code"], row["certainty"]) == ("-", "memory.process-killed", "possible")
    assert row["evidence"][0] == {"source": "fields", "line": 0, "quote": "driver_exit_code=137"}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (["status=failed", "driver_exit_code=null", "error_type="], "unknown"),
        (["status=FAILED", "driver_exit_code=-11", "start_time=3", "metadata={}"], "app.native-crash"),
        (["status=SUCCEEDED", "type=submission"], None),
        (["status=None"], None),
    ],
)
def test_fields_as_people_have_them(
    fields: list[str], code: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"step 1\n")))
    assert diagnose.main(["-", "--json", *(part for field in fields for part in ("--field", field))]) == 0
    assert json.loads(capsys.readouterr().out)["code"] == code


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-", "--field", "status"], "--field is NAME=VALUE, not 'status'"),
        (["-", "--field", "colour=red"], "there is no field 'colour'"),
        (["-", "--field", "driver_exit_code=x"], "driver_exit_code is a whole number, not 'x'"),
        ([], "LOG"),
    ],
)
def test_wrong_options(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        diagnose.main(arguments)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_file_that_cannot_be_read_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = _file(tmp_path, FAILED)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert diagnose.main([str(tmp_path / "none.log"), str(empty), bad, "--json"]) == 2
    captured = capsys.readouterr()
    assert [json.loads(line)["source"] for line in captured.out.splitlines()] == [bad]
    assert "none.log: No such file or directory" in captured.err
    assert "there is no log in it" in captured.err


def test_own_signatures_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "- {name: acme-licence, code: acme.licence, title: no licence, class: permanent, contains: [licence expired],"
        " matches: [the licence expired, a licence expired], near_misses: [the licence]}\n"
    )
    log = _file(tmp_path, b"the licence expired\n")
    assert diagnose.main([log, "--json", "--signatures", str(own)]) == 0
    assert json.loads(capsys.readouterr().out)["code"] == "acme.licence"
    own.write_text("- {name: acme-licence}\n")
    with pytest.raises(SystemExit):
        diagnose.main([log, "--signatures", str(own)])
    assert "signature 'acme-licence'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 20_000, "they nest too deeply"),
        ("- a: \0", "special characters are not allowed"),
        (f"# {'x' * 1_048_576}", "more than 1048576 characters"),
        ("- [", "line 1"),
    ],
    ids=["brackets", "NUL", "long", "torn"],
)
def test_a_file_of_signatures_that_is_none_is_named(
    text: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(text)
    with pytest.raises(SystemExit):
        diagnose.main([_file(tmp_path, b"x"), "--signatures", str(own)])
    told = capsys.readouterr().err
    assert f"{own}: " in told
    assert why in " ".join(told.split())
