"""Every question that one deployment asks another is answered there, and everything that is answered is asked."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints

import pytest
from pydantic import JsonValue
from typing_extensions import is_typeddict

from organs.organ import Organ
from organs.ports import JobsPort, OrganPort, StorePort
from organs.questions import Question, list_questions
from serve_app.alerts.deployment import Alerts, AlertStore, JobObserver, OrganismObserver
from serve_app.api.deps import AlertList, Jobs, Organism, StoreHealth
from serve_app.ingress import TaskRunner
from serve_app.jobs.inspector import JobInspector, JobStore
from serve_app.organism.manager import OrganismManager
from serve_app.organism.questions import (
    OrganReplica,
    RunHistory,
    RunRecord,
    SelfTester,
    ServeObserver,
    Wishes,
)
from serve_app.store.deployment import StoreDeployment

ASKED: dict[type, tuple[Any, ...]] = {
    Alerts: (AlertList,),
    JobInspector: (Jobs, JobObserver, JobsPort, ServeObserver),
    Organ: (OrganPort, OrganReplica, SelfTester, TaskRunner),
    OrganismManager: (Organism, OrganismObserver, Wishes),
    StoreDeployment: (AlertStore, JobStore, RunHistory, RunRecord, StoreHealth, StorePort),
}
OF_SERVE = {"check_health", "reconfigure"}
# Asked of every replica at once, by its name (``organs.replica``).
OF_ALL = {"tell_version"}
# Not asked by a Protocol: what only its own loops call.
# An inspector of the version before asks for ``open_jobs``.
OTHERS = {Alerts: {"close", "look", "tell"}, JobInspector: {"close"}, StoreDeployment: {"close", "open_jobs"}}
# Of the version before.
OTHERS[OrganismManager] = {"initialize"}

PAIRS = [
    pytest.param(deployment, getattr(protocol, name), question, id=f"{protocol.__name__}.{name}")
    for deployment, protocols in ASKED.items()
    for protocol in protocols
    for name, question in list_questions(protocol).items()
]


def hints(function: Any) -> dict[str, Any]:
    return get_type_hints(function, include_extras=True)


def place(parameter: inspect.Parameter) -> tuple[Any, ...]:
    return parameter.name, parameter.kind, parameter.default


def is_plain(given: Any, wanted: Any) -> bool:
    """Organs know no type of the application: for them an answer is a dictionary."""
    return wanted == dict[str, Any] and is_typeddict(given)


# What a replica of another version can read: nothing that is found by a module's name.
VALUES = (str, int, float, bool, None, NoneType, Any, JsonValue)
HOLDERS = (Union, UnionType, list, dict, tuple, Sequence, Mapping, AsyncGenerator, NotRequired)


def list_classes(kind: Any, seen: set[Any]) -> Iterator[Any]:
    """Whatever a type is made of that is neither plain nor a dictionary with keys."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal or any(kind is each for each in VALUES):
        return
    if get_origin(kind) in HOLDERS:
        parts = [each for each in get_args(kind) if each is not ...]
    elif is_typeddict(kind) and kind not in seen:
        seen.add(kind)
        parts = list(get_type_hints(kind, include_extras=True).values())
    else:
        parts = []
        if not is_typeddict(kind):
            yield kind
    for part in parts:
        yield from list_classes(part, seen)


@pytest.mark.parametrize(("deployment", "asked", "question"), PAIRS)
def test_only_plain_values_travel(deployment: type, asked: Any, question: Question) -> None:
    travels = hints(asked)
    if question.rule.deadline is not None:
        del travels[question.rule.deadline]
    assert [each for kind in travels.values() for each in list_classes(kind, set())] == []


@pytest.mark.parametrize(("deployment", "asked", "question"), PAIRS)
def test_a_question_is_answered_as_it_is_asked(deployment: type, asked: Any, question: Question) -> None:
    answer = getattr(deployment, question.name)
    assert inspect.isasyncgenfunction(answer) if question.is_stream else inspect.iscoroutinefunction(answer)
    sent, taken = list(question.signature.parameters.values()), list(inspect.signature(answer).parameters.values())[1:]
    assert [place(each) for each in taken[: len(sent)]] == [place(each) for each in sent]
    assert [each.name for each in taken[len(sent) :] if each.default is each.empty] == [], "what is not sent"
    wanted, given = hints(asked), hints(answer)
    for name in (*(each.name for each in sent), "return"):
        assert given[name] == wanted[name] or is_plain(given[name], wanted[name]), name


@pytest.mark.parametrize("deployment", ASKED, ids=lambda each: each.__name__)
def test_nothing_is_answered_that_nobody_asks(deployment: type) -> None:
    asked = {question.name for protocol in ASKED[deployment] for question in list_questions(protocol).values()}
    answered = {
        name
        for name, each in inspect.getmembers(deployment, inspect.isfunction)
        if not name.startswith("_") and (inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each))
    }
    assert answered - OF_SERVE - OF_ALL - OTHERS.get(deployment, set()) == asked
