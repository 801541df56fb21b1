from __future__ import annotations

import re
from typing import Any

import pytest

from tests.zoo.__main__ import choose_programs, main
from tests.zoo.model import Answer, Drive, Program, Submit
from tests.zoo.run import list_ids, plan_waves
from tests.zoo.steps import HERE
from tests.zoo.tables import PROGRAMS, find_program

_NAMED = re.compile(r"\{here\}/(\w+\.py) ([a-z][a-z-]*)")


def submissions(program: Program) -> list[Submit | Drive]:
    return [step for step in program.steps if isinstance(step, Submit | Drive)]


def answers_of(program: Program) -> list[Answer]:
    return [moment.answer for job in program.jobs for moment in job.moments]


def test_there_are_enough_of_them() -> None:
    assert len(PROGRAMS) >= 70
    assert len([program for program in PROGRAMS if program.short]) >= 25
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS)


def test_no_two_programs_make_the_same_job() -> None:
    made = [id for program in PROGRAMS for id in list_ids(program)]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_program_is_whole(program: Program) -> None:
    assert program.about
    assert program.jobs or program.asks
    assert program.twin is None or find_program(program.twin).name != program.name
    made = {step.id for step in submissions(program)} | {"again-named-2"}
    assert {job.id for job in program.jobs} <= made


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_what_it_runs_is_there(program: Program) -> None:
    for step in submissions(program):
        command = step.entrypoint if isinstance(step, Submit) else step.command
        for file, name in _NAMED.findall(command):
            text = (HERE / file).read_text()
            assert f'"{name}": ' in text, f"{file} has no {name}"


@pytest.mark.parametrize(
    "noun", ["memory", "circle", "hang", "rest", "place", "zero", "line", "again", "word", "noise", "id", "start"]
)
def test_each_trouble_has_its_twin(noun: str) -> None:
    twins = [program for program in PROGRAMS if program.twin and program.noun == noun]
    assert twins


@pytest.mark.parametrize("program", [each for each in PROGRAMS if each.short], ids=lambda program: program.name)
def test_a_short_one_has_a_twin_or_is_one_or_is_another_of_its_kind(program: Program) -> None:
    with_twin = {name for each in PROGRAMS if each.twin for name in (each.twin, each.name)}
    assert program.name in with_twin or any(name.startswith(f"{program.noun}-") for name in with_twin)


def test_waves_are_in_the_order_of_the_tables() -> None:
    chosen = choose_programs(["memory-task*", "hang-cycle*"], short=False)
    assert [[each.name for each in wave] for wave in plan_waves(chosen, together=False)] == [
        ["memory-task"], ["memory-task-stopped"], ["memory-task-twin"], ["hang-cycle", "hang-cycle-twin"]
    ]  # fmt: skip
    assert [len(wave) for wave in plan_waves(chosen, together=True)] == [5]


def test_what_there_is_can_be_listed(capsys: Any) -> None:
    assert main(["--list", "--only", "hang-*", "--short"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told] == [
        program.name for program in PROGRAMS if program.noun == "hang" and program.short
    ]  # fmt: skip
