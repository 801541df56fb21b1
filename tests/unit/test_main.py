"""What `build` refuses before anything is deployed."""

from __future__ import annotations

from typing import Any

import pytest

from organs.version import read_own_version
from serve_app import main
from serve_app.api.access import OpenAddress
from serve_app.jobs.serve_facts import HttpFacts

ORGAN = {"id": "cognitive_organ_1", "type": "Cognitive"}


@pytest.mark.parametrize(
    ("args", "line"),
    [
        ({}, "args.organs: Field required"),
        ({"organs": []}, "args.organs: Tuple should have at least 1 item after validation, not 0"),
        ({"organs": [ORGAN, ORGAN]}, "given twice"),
        ({"organs": [{**ORGAN, "type": "Cognitve"}]}, "args.organs.0.type: Input should be 'Cognitive'"),
        ({"organs": [{**ORGAN, "id": "Has-Capitals"}]}, "args.organs.0.id: String should match pattern"),
        ({"organs": [{**ORGAN, "agent_count": 1}]}, "args.organs.0.agent_count: Extra inputs are not permitted"),
        ({"organs": [ORGAN], "alowed_hosts": []}, "args.alowed_hosts: Extra inputs are not permitted"),
    ],
)
def test_bad_args(args: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match="not acceptable") as refused:
        main.build(args)
    assert line in str(refused.value)


@pytest.mark.parametrize("name", ["Ingress", "Store", "OrganismManager", "JobInspector", "Alerts"])
def test_an_organ_cannot_take_the_name_of_a_part(name: str) -> None:
    with pytest.raises(ValueError, match="not acceptable"):
        main.build({"organs": [{**ORGAN, "id": name}]})


@pytest.mark.parametrize("host", ["0.0.0.0", None])
def test_an_open_or_unknown_address_without_tokens_is_refused(
    monkeypatch: pytest.MonkeyPatch, host: str | None
) -> None:
    monkeypatch.setattr(main.ray, "is_initialized", lambda: True)
    monkeypatch.setattr(main, "find_http_host", lambda: host)
    with pytest.raises(OpenAddress):
        main.build({"organs": [ORGAN]})
    monkeypatch.setenv("SEEDCORE_OPERATOR_TOKEN", "operator-token-0123456789")
    main.build({"organs": [ORGAN]})


def test_where_serve_runs_already_with_another_host_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main.ray, "is_initialized", lambda: True)
    monkeypatch.setattr(main, "find_http_host", lambda: "0.0.0.0")
    with pytest.raises(OpenAddress, match=r"Serve runs here already with host 0\.0\.0\.0"):
        main.build({"organs": [ORGAN], "deployed_http": {"host": "127.0.0.1"}})


def test_the_inspector_knows_with_what_it_was_deployed() -> None:
    args = {"organs": [ORGAN], "deployed_http": {"host": "127.0.0.1", "request_timeout_s": 310}}
    inspector = main.build(args)._bound_deployment.init_args[3]._bound_deployment
    assert inspector.init_kwargs["deployed_http"] == HttpFacts("127.0.0.1", None, 310.0)


def test_the_graph() -> None:
    application = main.build({"organs": [ORGAN, {"id": "utility_organ_9", "type": "Utility"}]})
    ingress = application._bound_deployment
    assert ingress.name == "Ingress"
    organs = ingress.init_args[1]
    assert {name: each._bound_deployment.name for name, each in organs.items()} == {
        "cognitive_organ_1": "cognitive_organ_1",
        "utility_organ_9": "utility_organ_9",
    }


def test_other_code_than_the_configuration_wants_is_refused() -> None:
    wanted = {"organs": [ORGAN], "code_version": "9.9.9+000000000000"}
    with pytest.raises(ValueError, match=r"args\.code_version is 9\.9\.9") as refused:
        main.build(wanted)
    assert read_own_version() in str(refused.value)


def test_the_version_that_is_deployed_is_the_one_that_replicas_are_compared_with() -> None:
    for args in ({"organs": [ORGAN]}, {"organs": [ORGAN], "code_version": read_own_version()}):
        inspector = main.build(args)._bound_deployment.init_args[3]._bound_deployment
        assert inspector.init_kwargs["code_version"] == read_own_version()


def list_options() -> dict[str, Any]:
    ingress = main.build({"organs": [ORGAN]})._bound_deployment
    _, organs, manager, inspector, store, alerts = ingress.init_args
    bound = (part._bound_deployment for part in (*organs.values(), manager, inspector, store, alerts))
    return {each.name: each._deployment_config for each in (ingress, *bound)}


def test_what_takes_tasks_lives_beside_its_successor_and_what_must_be_single_does_not() -> None:
    assert {name: options.max_surge_percent for name, options in list_options().items()} == {
        "Ingress": 100,
        "cognitive_organ_1": 100,
        "OrganismManager": 0,
        "JobInspector": 0,
        "Store": 0,
        "Alerts": 0,
    }


def test_what_hangs_on_the_way_of_a_task_is_found_in_time_for_its_successor_to_start_within_12_s() -> None:
    longest = {
        name: round(1.1 * options.health_check_period_s + 3 * options.health_check_timeout_s, 3)
        for name, options in list_options().items()
    }
    assert longest == {
        "Ingress": 6.5,
        "cognitive_organ_1": 6.5,
        "Store": 6.5,
        "OrganismManager": 18.3,
        "JobInspector": 18.3,
        "Alerts": 18.3,
    }
