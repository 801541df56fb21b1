"""While a version is replaced by the next, replicas of both talk with each other: what the one before asks and knows.

The tables are those of commit 9652b36. What is dropped from them must not be asked by any version that is still in use.
"""

from __future__ import annotations

import importlib
import inspect
import pickle
import pickletools
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, Protocol

import pytest

from organs import ports
from organs.organ import Organ
from organs.questions import list_questions
from organs.skills.contract import SkillUnavailable
from serve_app.alerts.deployment import Alerts
from serve_app.api.problems import answer_problem
from serve_app.cluster.handles import connect
from serve_app.errors import AppError, Unavailable
from serve_app.ingress import Ingress
from serve_app.jobs.inspector import JobInspector
from serve_app.organism.manager import OrganismManager
from serve_app.store.deployment import StoreDeployment
from tests.unit.cluster.wires import OldVersion, send_by_reference, send_over_grpc
from tests.unit.test_contracts import ASKED as PROTOCOLS

# Of each deployment: the methods that others call, with the number of arguments that they give by position. It is the
# number that they can take as well, so that version refuses a call with one more, and its caller would answer 500.
ASKED: dict[type, dict[str, int]] = {
    Organ: {"execute": 1, "ping": 0, "status": 0, "self_test": 0},
    OrganismManager: {"status": 0, "initialize": 1, "wanted": 0},
    Alerts: {"alerts": 1, "alert_history": 1},
    JobInspector: {
        "list_jobs": 1,
        "get_job": 1,
        "diagnosis": 2,
        "diagnoses": 1,
        "deployment_diagnosis": 2,
        "current": 0,
        "summary": 1,
        "hierarchy": 1,
        "lifecycle": 0,
        "findings": 0,
        "alert_inputs": 0,
        "take_events": 1,
        "record_responses": 1,
        "ray_status": 0,
        "serve_details": 0,
        "cluster_resources": 0,
        "cluster_nodes": 0,
        "cluster_actors": 1,
        "cluster_leftovers": 0,
        "submit_job": 1,
        "stop_job": 2,
        "retry_job": 2,
        "delete_job": 1,
        "job_log": 2,
        "job_stacks": 1,
        "follow_log": 3,
    },
    StoreDeployment: {
        "ping": 0,
        "claim_agent": 3,
        "save_agent": 3,
        "put_memory": 4,
        "get_memory": 1,
        "search_memory": 3,
        "begin_initialization": 3,
        "record_initialization_step": 5,
        "finish_initialization": 3,
        "latest_initialization": 1,
        "save_jobs": 2,
        "list_jobs": 1,
        "find_job": 2,
        "job_transitions": 1,
        "save_log_excerpt": 2,
        "save_diagnosis": 2,
        "diagnoses": 1,
        "open_jobs": 1,
        "close_unseen_jobs": 2,
        "close_sessions": 1,
        "forget_jobs": 3,
        "delete_job": 1,
        "jobs_ended_since": 2,
        "past_runs": 1,
        "active_alerts": 0,
        "apply_alerts": 3,
        "due_notifications": 2,
        "notification_delivered": 1,
        "notification_failed": 3,
        "alert_history": 1,
        "prune_alerts": 3,
        "save_samples": 1,
        "load_samples": 2,
    },
}
# Asked with fewer as well: an organ asks for a diagnosis without saying in whose words.
ALSO_ASKED = [(JobInspector, "diagnosis", 1)]

# What that version does not know: who asks it is told 503 (``CallFailure.OTHER_VERSION``) until it is replaced. A
# question that is to send more than before gets a name of its own, and stands here.
OF_REQUESTS = {"begin_request", "renew_request", "finish_request", "put_memory_once"}
OF_RECEIVERS = {"load_receivers", "save_receiver"}
OF_SETTINGS = {"last_settings", "note_settings", "refused_settings"}
OF_SESSIONS = {"opening", "begin_session", "open_sessions", "end_gone_sessions"}
NEW = {
    JobInspector: {"code_versions", "deployment_troubles", "whole_log"},
    StoreDeployment: {
        *("save_trails", "load_trails", "find_run", "open_runs"),
        *OF_SESSIONS,
        *OF_REQUESTS,
        *OF_RECEIVERS,
        *OF_SETTINGS,
    },
    OrganismManager: {"initialize_once"},
}

# Classes of errors by the module in which that version finds them, when it unpickles what another replica raised.
KNOWN_ERRORS = {
    "serve_app.errors": {
        "AppError",
        "BadRequest",
        "MalformedBody",
        "RequestTimeout",
        "BodyTooLarge",
        "InvalidInput",
        "NotAuthenticated",
        "Forbidden",
        "NotFound",
        "Conflict",
        "TooBusy",
        "UpstreamFailed",
        "Unavailable",
        "DeadlineExceeded",
        "_rebuild",
    },
    "serve_app.store.errors": {"StoreUnavailable", "StoreMisconfigured", "StoreTooNew"},
    "serve_app.alerts.webhook": {"WebhookFailed"},
}


@pytest.mark.parametrize(
    ("deployment", "method", "count"),
    [*((part, name, count) for part, asked in ASKED.items() for name, count in asked.items()), *ALSO_ASKED],
)
def test_what_the_version_before_asks_is_answered(deployment: type, method: str, count: int) -> None:
    # By position, because that is how Serve sends them; `object()` stands for the replica.
    inspect.signature(getattr(deployment, method)).bind(object(), *range(count))


@pytest.mark.parametrize("deployment", PROTOCOLS, ids=lambda each: each.__name__)
def test_the_version_before_can_take_what_it_is_asked(deployment: type) -> None:
    """All arguments of a question are sent, defaults too."""
    sent = {
        (deployment, question.name, len(question.signature.parameters))
        for protocol in PROTOCOLS[deployment]
        for question in list_questions(protocol).values()
    }
    taken = {(deployment, name, count) for name, count in ASKED[deployment].items()}
    assert {name for _, name, _ in sent - taken - set(ALSO_ASKED)} == NEW.get(deployment, set())
    assert NEW.get(deployment, set()) & set(ASKED[deployment]) == set()


@pytest.mark.parametrize("deployment", [*ASKED, Ingress])
def test_every_replica_tells_its_version(deployment: type) -> None:
    inspect.signature(deployment.tell_version).bind(object())  # type: ignore[attr-defined]


def classes_of(base: type) -> Iterator[Any]:
    yield base
    for each in base.__subclasses__():
        yield from classes_of(each)


@pytest.mark.parametrize("kind", list(dict.fromkeys(classes_of(AppError))), ids=lambda kind: kind.__name__)
def test_an_error_arrives_as_one_that_the_version_before_knows(kind: type[AppError]) -> None:
    pickled = pickle.dumps(kind("Said so.", code="a_code", hint="member"), protocol=0)
    assert {
        f"{module}.{name}" for module, name in globals_of(pickled) if name not in KNOWN_ERRORS.get(module, ())
    } == set()
    error = pickle.loads(pickled)
    assert (error.detail, error.code, error.status, error.retry_after_s, error.members) == (
        "Said so.",
        "a_code",
        kind.status,
        kind.retry_after_s,
        {"hint": "member"},
    )


def globals_of(pickled: bytes) -> list[list[str]]:
    """Module and name of everything that is imported to unpickle it (protocol 0 has them in one word)."""
    return [str(argument).split() for opcode, argument, _ in pickletools.genops(pickled) if opcode.name == "GLOBAL"]


@pytest.mark.parametrize(("module", "names"), KNOWN_ERRORS.items())
def test_what_the_version_before_raises_is_known_here(module: str, names: set[str]) -> None:
    assert names - set(vars(importlib.import_module(module))) == set()


class Part(Protocol):
    async def get(self) -> Any: ...

    def follow(self) -> AsyncGenerator[Any, None]: ...


# What a replica of another version may answer, by what is not here: the module, or only the class.
OF_OTHERS: dict[str, Callable[[OldVersion], Any]] = {
    "ReplicaLost": lambda old: old.make("serve_app.handles", "ReplicaLost", Unavailable)("The replica died."),
    "PartFailed": lambda old: old.make("serve_app.handles", "PartFailed", AppError)("Store failed."),
    "an error": lambda old: old.make("serve_app.errors", "TeaPot", AppError)("I am one."),
    "an error inside": lambda old: AppError("No.", why=old.make("organs.skills.contract", "Old", object)()),
    "a value of a module": lambda old: {"rows": [old.make("serve_app.jobs.records", "JobRecord", object)()]},
    "a value": lambda old: old.make("serve_app.jobs.models", "Old", object)(),
}


@pytest.mark.parametrize("answer", OF_OTHERS.values(), ids=OF_OTHERS)
@pytest.mark.parametrize("send", [send_over_grpc, send_by_reference])
async def test_what_cannot_be_read_is_the_answer_of_a_replica_that_is_being_replaced(
    answer: Callable[[OldVersion], Any], send: Any
) -> None:
    with OldVersion() as old:
        handle = send(answer(old))
    detail = "A replica of Store runs another version, and what it answered cannot be read here; it is being replaced."
    with pytest.raises(AppError) as raised:
        await connect(Part, handle, timeout_s=1, retries=1).get()
    response = answer_problem(raised.value)
    assert (raised.value.detail, response.status_code, response.headers["retry-after"]) == (detail, 503, "2")
    with pytest.raises(AppError, match="cannot be read here"):
        await anext(connect(Part, handle, timeout_s=1).follow())
    with pytest.raises(SkillUnavailable, match=r"^Store has no replica that answers\.$"):
        await ports.connect(Part, handle).get()


# Bugs, which no version should answer with: they are logged and answered with 500, as ever.
BUGS = {
    "an attribute": AttributeError("'NoneType' object has no attribute 'serve_app'"),
    "a module of others": ModuleNotFoundError("No module named 'asyncpg'", name="asyncpg"),
    "a class of ours": RuntimeError("serve_app.handles.PartFailed"),
}


@pytest.mark.parametrize("error", BUGS.values(), ids=BUGS)
@pytest.mark.parametrize("send", [send_over_grpc, send_by_reference])
async def test_a_bug_of_the_other_side_is_none_of_its_version(error: Exception, send: Any) -> None:
    with pytest.raises(AppError) as raised:
        await connect(Part, send(error), timeout_s=1).get()
    assert (raised.value.status, raised.value.code) == (500, "part_failed")


@pytest.mark.parametrize("send", [send_over_grpc, send_by_reference])
async def test_a_class_of_others_that_is_not_here_is_a_bug(send: Any) -> None:
    with OldVersion() as old:
        handle = send(old.make("driver_of_others", "TheirError", Exception)("No."))
    with pytest.raises(AppError) as raised:
        await connect(Part, handle, timeout_s=1).get()
    assert (raised.value.status, raised.value.code) == (500, "part_failed")


@pytest.mark.parametrize("send", [send_over_grpc, send_by_reference])
async def test_what_can_be_read_arrives(send: Any) -> None:
    assert await connect(Part, send({"rows": [1]}), timeout_s=1).get() == {"rows": [1]}
    with pytest.raises(Unavailable, match="Soon"):
        await connect(Part, send(Unavailable("Soon.")), timeout_s=1).get()
