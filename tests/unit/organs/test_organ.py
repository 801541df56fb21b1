"""One agent: tasks in, answers or problems out, and what it makes of itself."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, get_type_hints

import pytest

from organs.models import AgentStatus, OrganConfig, OrganType
from organs.organ import Organ
from tests.unit.organs.fakes import FakeOrgan, FakeStore, FakeWays, organ, task

OWN = "tests.unit.organs.own_skill"
UTILITY = "utility_organ_1_agent_0"


@pytest.mark.parametrize(
    ("organ_type", "sent", "skill"),
    [
        ("Cognitive", task("test_task", "search memory"), "task.plan"),
        ("Actuator", task("test_task", "fetch a page", x=1), "task.preview"),
        ("Utility", task("test_task", organ_id=5), "organ.probe"),  # hints that do not fit are not an error
        ("Utility", task("cluster.resources"), "cluster.resources"),
    ],
)
async def test_answers_are_where_old_clients_look(organ_type: OrganType, sent: Any, skill: str) -> None:
    made = await organ(organ_type)
    reply = await made.execute(sent)
    result = reply["result"]
    assert set(reply) == {"agent_id", "result"}
    assert (result["agent_id"], result["task_processed"], result["success"], result["skill"]) == (
        f"{made._spec.id}_agent_0",
        True,
        True,
        skill,
    )
    assert 0.0 < result["quality"] <= 1.0
    assert (result["capability_score"], result["mem_util"]) == (0.6, 0.01)


@pytest.mark.parametrize(
    ("sent", "code", "status", "words", "counted"),
    [
        (task("memory.putt"), "unknown_skill", 422, "memory.put", False),
        (task("task.plan"), "unknown_skill", 422, "a skill of Cognitive organs", False),
        (task("memory.get"), "invalid_input", 422, "parameters.key: Field required.", False),
        (task("memory.get", key="k", kee="k"), "invalid_input", 422, "parameters.kee", False),
        (task("memory.get", key="absent"), "not_found", 404, "'absent'", False),
        (task("organ.probe", organ_id="nobody"), "not_found", 404, "cognitive_organ_1", False),
        (task("bad.crash"), "skill_failed", 502, "bad.crash failed", True),
        (task("bad.fail"), "upstream_failed", 502, "The other side failed.", True),
        (task("bad.hang", timeout_s=0.01), "deadline_exceeded", 504, "0.01 s", True),
        (task("bad.object"), "skill_failed", 502, "not JSON", True),
        (task("bad.nan"), "skill_failed", 502, "not JSON", True),
        (task("bad.answer"), "skill_failed", 502, "no Outcome", True),
        (task("bad.timeout"), "skill_failed", 502, "bad.timeout failed", True),
        (task("bad.exit"), "skill_failed", 502, "bad.exit failed", True),
        (task("bad.check"), "skill_failed", 502, "bad.check failed", True),
        (task("bad.huge"), "output_too_large", 502, "2000011 bytes", True),
    ],
)
async def test_problems(sent: Any, code: str, status: int, words: str, counted: bool) -> None:
    names = (
        *("Crashing", "Failing", "Hanging", "Unspeakable", "Huge"),
        *("NotANumber", "NoOutcome", "Impatient", "Leaving", "CrashingCheck"),
    )
    made = await organ("Utility", skills=[f"{OWN}:{name}" for name in names])
    reply = await made.execute(sent)
    problem = reply["problem"]
    assert (reply["agent_id"], problem["code"], problem["status"]) == (UTILITY, code, status)
    assert words in problem["detail"]
    assert "secret" not in str(reply)
    state = await made.status()
    assert (state["tasks_processed"], state["tasks_succeeded"]) == (int(counted), 0)
    assert state["capability_score"] == (0.4 if counted else 0.5)


async def test_words_are_not_numbers() -> None:
    made = await organ("Utility", skills=[f"{OWN}:Telling"])
    output = (await made.execute(task("good.words")))["result"]["output"]
    assert output == {"text": "NaN and Infinity are words"}


async def test_a_refusal_is_short_however_much_is_wrong() -> None:
    made = await organ("Utility")
    problem = (await made.execute(task("memory.get", **{f"{'k' * 400}{each}": 1 for each in range(3000)})))["problem"]
    assert problem["errors"][0] == {"loc": ["parameters", "key"], "msg": "Field required", "type": "missing"}
    assert [len(error["loc"][1]) for error in problem["errors"]] == [3] + [100] * 19


async def test_the_mix_of_roles_is_shown_and_decides_nothing() -> None:
    made = await organ("Cognitive")
    sent = task("test_task", "search memory")
    shown, results = [], []
    for mix in (None, {"E": 1.0, "S": 0.0, "O": 0.0}, {"E": 0.0, "S": 0.0, "O": 1.0}):
        await made.reconfigure({"role_probabilities": mix}, SimpleNamespace(rank=0))
        shown.append((await made.status())["role_probabilities"])
        result = (await made.execute(sent))["result"]
        results.append((result["skill"], result["output"]))
    assert shown == [{"E": 0.3, "S": 0.6, "O": 0.1}, {"E": 1.0, "S": 0.0, "O": 0.0}, {"E": 0.0, "S": 0.0, "O": 1.0}]
    assert results == [results[0]] * 3


def test_what_describes_the_mix_of_roles_says_that_it_decides_nothing() -> None:
    (of_status,) = get_type_hints(AgentStatus, include_extras=True)["role_probabilities"].__metadata__
    of_setting = OrganConfig.model_fields["role_probabilities"]
    said = [each.description.partition("mix of the roles")[2] for each in (of_setting, of_status)]
    mix = " E, S and O, for whoever reads its status; it decides nothing here."
    assert said == [f"{mix} Sums to 1; none means the organ type's.", f"{mix} Unit: ratio, 0 to 1."]


async def test_a_users_skill_is_taken_up_without_a_restart() -> None:
    made = await organ("Utility")
    assert (await made.execute(task("people.greet", name="Ada")))["problem"]["code"] == "unknown_skill"
    await made.reconfigure({"skills": [f"{OWN}:Greet"]}, SimpleNamespace(rank=0))
    result = (await made.execute(task("people.greet", name="Ada")))["result"]
    assert result["output"] == {"text": "Hello, Ada."}
    assert 0.45 < result["quality"] <= 0.5


@pytest.mark.parametrize(
    ("config", "key", "words"),
    [
        ({"history_limt": 5}, "history_limt", "nearest: history_limit"),
        ({"role_probabilities": {"E": 5, "S": -4, "O": 0}}, "role_probabilities", "sum to 1"),
        ({"role_probabilities": {"E": 0.5}}, "role_probabilities", "sum to 1"),
        ({"skills": ["nowhere:Skill"]}, "skills", "cannot be imported"),
        ({"skills": [f"{OWN}"]}, "skills", "expected an import path"),
        ({"skills": [f"{OWN}:NOT_A_SKILL"]}, "skills", "is not a skill"),
        ({"skills": [f"{OWN}:_Bad"]}, "skills", "is not a skill"),
        ({"skills": [f"{OWN}:Nameless"]}, "skills", "has a dot"),
        ({"skills": [".relative:Skill"]}, "skills", "cannot be imported"),
        ({"skills": ["tests.unit.organs.broken_skill:Skill"]}, "skills", "RuntimeError: it needs something"),
        ({"skills": [f"{OWN}:Synchronous"]}, "skills", "is not an `async def`"),
        ({"skills": [f"{OWN}:NoModel"]}, "skills", "is not a pydantic model"),
        ({"skills": [f"{OWN}:LongName"]}, "skills", "at most 128 letters"),
        ({"skills": [f"{OWN}:Greet", f"{OWN}:Greet"]}, "skills", "is taken"),
        ({"default_skill": "task.plan"}, "default_skill", "is not a skill of this organ"),
    ],
)
async def test_a_configuration_that_is_not_acceptable_is_told_and_the_organ_works_on(
    config: Any, key: str, words: str
) -> None:
    store = FakeStore()
    made = await organ("Utility", store, smoothing=0.5)
    await made.reconfigure(config, SimpleNamespace(rank=0))
    await made._settings.settle()
    assert (made._config.smoothing, store.settings) == (0.5, {"utility_organ_1": {"smoothing": 0.5}})
    (mistake,) = store.refused["utility_organ_1"]["mistakes"]
    assert mistake["key"] == f"user_config.{key}"
    assert words in mistake["expected"]
    assert (await made.execute(task("cluster.nodes")))["result"]["success"]


async def test_a_skill_of_another_type_is_refused() -> None:
    store = FakeStore()
    made = await organ("Cognitive", store, skills=[f"{OWN}:Greet"])
    await made._settings.settle()
    (mistake,) = store.refused["cognitive_organ_1"]["mistakes"]
    assert "for Utility organs; this one is Cognitive" in mistake["expected"]
    assert (await made.status())["agent_id"] == "cognitive_organ_1_agent_0"


@pytest.mark.parametrize("organ_type", ["Cognitive", "Actuator", "Utility"])
async def test_the_self_test_does_real_work_and_does_not_count(organ_type: OrganType) -> None:
    made = await organ(organ_type)
    said = await made.self_test()
    assert (said["success"], said["detail"]) == (True, "done")
    assert (await made.status())["tasks_processed"] == 0


async def test_probing_measures_who_answers() -> None:
    made = await organ("Utility", ways=FakeWays(silent={"actuator_organ_1"}))
    result = (await made.execute(task("organ.probe")))["result"]
    assert (result["output"]["asked"], result["output"]["answered"]) == (3, 2)
    assert 0.6 < result["quality"] < 0.67
    silent = [row for row in result["output"]["organs"] if not row["ok"]]
    assert silent == [
        {
            "organ_id": "actuator_organ_1",
            "ok": False,
            "agent_id": None,
            "latency_s": None,
            "detail": "actuator_organ_1 has no replica that answers.",
        }
    ]


async def test_another_rank_is_another_agent() -> None:
    store = FakeStore()
    made = await organ("Utility", store)
    await made.execute(task("cluster.nodes"))
    await made.reconfigure({}, SimpleNamespace(rank=3))
    made._keeper.cancel()  # type: ignore[union-attr]
    assert (await made.ping())["agent_id"] == "utility_organ_1_agent_3"
    assert (await made.status())["tasks_processed"] == 0
    assert store.agents[UTILITY]["state"]["tasks_processed"] == 1


async def test_what_a_replica_did_before_it_got_its_predecessors_rank_is_that_agents() -> None:
    """Serve starts it beside the one that ends, with a rank beyond the wanted number."""
    store, ways = FakeStore(), FakeWays(predecessors=1)
    made = FakeOrgan("Utility", store, ways)
    await made.reconfigure({"history_limit": 2}, SimpleNamespace(rank=1))
    for _ in range(3):
        await made.execute(task("cluster.nodes"))
    slow = made.execute(task("cluster.nodes"))
    ways.predecessors = 0
    await made.reconfigure({"history_limit": 2}, SimpleNamespace(rank=0))
    made._keeper.cancel()  # type: ignore[union-attr]
    await slow
    await Organ.__del__(made)
    assert list(store.agents) == [UTILITY]
    assert store.agents[UTILITY]["state"]["tasks_processed"] == 4


async def test_a_task_that_ends_after_a_change_of_rank_counts_for_the_agent_that_the_replica_is_then() -> None:
    store, ways = FakeStore(), FakeWays()
    made = await organ("Utility", store, ways)
    gate, nodes = asyncio.Event(), ways.nodes

    async def wait() -> Any:
        await gate.wait()
        return await nodes()

    ways.nodes = wait  # type: ignore[method-assign]
    running = asyncio.create_task(made.execute(task("cluster.nodes")))
    await asyncio.sleep(0)
    await made.reconfigure({}, SimpleNamespace(rank=1))
    made._keeper.cancel()  # type: ignore[union-attr]
    gate.set()
    assert (await running)["agent_id"] == "utility_organ_1_agent_1"
    assert (await made.status())["tasks_processed"] == 1


async def test_what_is_not_written_yet_is_written_at_a_graceful_end() -> None:
    store = FakeStore()
    made = await organ("Utility", store)
    await made.execute(task("cluster.nodes"))
    await Organ.__del__(made)
    assert store.agents[UTILITY]["state"]["tasks_processed"] == 1


async def test_a_graceful_end_waits_for_a_store_that_comes_back() -> None:
    store = FakeStore()
    made = await organ("Utility", store)
    await made.execute(task("cluster.nodes"))
    store.down = True

    async def sleep(_: float) -> None:
        store.down = False

    made._memory._sleep = sleep
    await Organ.__del__(made)
    assert store.agents[UTILITY]["state"]["tasks_processed"] == 1


async def test_a_graceful_end_without_a_store_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("organs.organ.LAST_FLUSH_TIMEOUT_S", 0.0)
    store = FakeStore()
    made = await organ("Utility", store)
    await made.execute(task("cluster.nodes"))
    store.down = True
    await Organ.__del__(made)
    assert store.agents[UTILITY]["state"] is None


async def test_a_checkpoint_that_is_on_its_way_at_a_graceful_end_is_not_lost() -> None:
    store = FakeStore(gate=asyncio.Event())
    made = await organ("Utility", store)
    await made.execute(task("cluster.nodes"))
    made._keeper = asyncio.create_task(made._memory.flush())  # type: ignore[assignment]
    await asyncio.sleep(0)
    assert store.waiting == 1
    store.gate = None
    await Organ.__del__(made)
    assert store.agents[UTILITY]["state"]["tasks_processed"] == 1


@pytest.mark.parametrize(("predecessors", "epoch"), [(0, 1), (1, 0), (None, 1)])
async def test_an_agent_whose_last_replica_still_works_is_not_taken_from_it(
    predecessors: int | None, epoch: int
) -> None:
    made = await organ("Utility", ways=FakeWays(predecessors=predecessors))
    assert (await made.execute(task("cluster.nodes")))["result"]["success"] is True
    assert (await made.status())["epoch"] == epoch


@pytest.mark.parametrize(("predecessors", "epoch"), [(0, 1), (1, 0), (None, 0)])
async def test_one_that_may_run_beside_its_predecessor_waits_also_where_serve_does_not_say_it(
    predecessors: int | None, epoch: int
) -> None:
    made = FakeOrgan("Utility", FakeStore(), FakeWays(predecessors=predecessors))
    await made.reconfigure({}, SimpleNamespace(rank=1))
    made._keeper.cancel()  # type: ignore[union-attr]
    assert (await made.status())["epoch"] == epoch


@pytest.mark.parametrize(("predecessors", "written"), [(0, 1), (1, None), (None, None)])
async def test_what_was_done_before_the_claim_is_written_at_a_graceful_end_if_the_agent_is_free(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    predecessors: int | None,
    written: int | None,
) -> None:
    """Otherwise its last replica would be fenced, and lose what it still brings."""
    monkeypatch.setattr("organs.organ.LAST_FLUSH_TIMEOUT_S", 0.01)
    store, ways = FakeStore(), FakeWays(predecessors=1)
    made = await organ("Utility", store, ways)
    await made.execute(task("cluster.nodes"))
    ways.predecessors = predecessors
    await Organ.__del__(made)
    assert (store.agents[UTILITY]["state"]["tasks_processed"] if store.agents else None) == written
    assert [each.action for each in caplog.records if each.levelname == "ERROR"] == (  # type: ignore[attr-defined]
        [] if written else ["agent_not_written"]
    )


async def test_a_fenced_agent_asks_to_be_replaced() -> None:
    store = FakeStore()
    made = await organ("Utility", store)
    await made.check_health()
    store.agents[UTILITY]["epoch"] += 1
    await made.execute(task("cluster.nodes"))
    await made._memory.flush()
    with pytest.raises(RuntimeError, match="taken over"):
        await made.check_health()


async def test_a_store_that_is_down_neither_delays_nor_fails_a_task() -> None:
    made = await organ("Utility", FakeStore(down=True))
    assert (await made.execute(task("cluster.nodes")))["result"]["success"] is True
    assert (await made.execute(task("memory.search")))["problem"]["status"] == 503
