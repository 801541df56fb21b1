"""What the configuration accepts, and that a refusal quotes no secret."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from serve_app.alerts.settings import AlertsConfig, Rule
from serve_app.check.rules import quote_value

HOOK = {"name": "ops", "url": "https://alerts.example/api/v2/alerts"}
SILENCE = {"rule": "cpu-high", "subject": "n*", "until": "2026-01-01T12:00:00Z", "reason": "load test"}


def test_the_default_survives_json() -> None:
    assert AlertsConfig.model_validate(AlertsConfig().model_dump(mode="json")) == AlertsConfig()
    given = {"silences": [SILENCE], "webhooks": [HOOK], "holds": [{"rule": "api-slow", "hold_s": 1}]}
    config = AlertsConfig.model_validate(given)
    assert AlertsConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"webhooks": [{**HOOK, "url": "https://user:hunter2@alerts.example/"}]}, "must hold no user or password"),
        ({"webhooks": [{**HOOK, "url": "https://hunter2@alerts.example/"}]}, "must hold no user or password"),
        ({"webhooks": [{**HOOK, "url": "ftp://alerts.example/hunter2"}]}, "must be http"),
        ({"webhooks": [{**HOOK, "url": "https:///hunter2"}]}, "must be http"),
        ({"webhooks": [{**HOOK, "url": "https://alerts.example:hunter2/"}]}, "not a URL"),
        ({"webhooks": [{**HOOK, "url": "https://alerts.example/\nhunter2"}]}, "must be http"),
        ({"webhooks": [{**HOOK, "token": "hunter2"}]}, "Extra inputs are not permitted"),
        ({"webhooks": [{**HOOK, "token_env": "hunter-2"}]}, "should match pattern"),
        ({"webhooks": [HOOK, HOOK]}, "webhooks: 'ops' is given twice"),
        ({"holds": [{"rule": "api-slow"}, {"rule": "api-slow"}]}, "holds: 'api-slow' is given twice"),
        ({"silences": [{**SILENCE, "until": "2026-01-01T12:00:00"}]}, "timezone"),
        ({"silences": [{**SILENCE, "rule": "cpu-hihg"}]}, "cpu-high"),
        ({"silences": [{"rule": "*"}]}, "Field required"),
        ({"disabled": ["cpu"]}, "Input should be"),
        ({"job_failure_window": "24h"}, "'5m' or '1h'"),
        ({"periods_s": 1}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as refused:
        AlertsConfig.model_validate(given)
    assert sentence in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_the_check_of_a_file_quotes_no_password() -> None:
    assert "hunter2" not in quote_value("https://user:hunter2@alerts.example/")


def test_holds() -> None:
    config = AlertsConfig.model_validate(
        {
            "hold_s": 30,
            "resolve_hold_s": 40,
            "holds": [{"rule": "api-slow", "hold_s": 1}, {"rule": "stuck-job", "resolve_hold_s": 2}],
        }
    )
    assert {rule.value: (config.get_hold(rule), config.get_resolve_hold(rule)) for rule in Rule} == {
        "job-failure-rate": (0, 40),
        "cpu-high": (30, 40),
        "memory-high": (30, 40),
        "api-slow": (1, 40),
        "organ-not-responding": (15, 40),
        "circling-job": (0, 40),
        "stuck-job": (0, 2),
        "missing-job": (0, 40),
        "past-deadline": (0, 40),
        "leftover-actors": (30, 40),
        "refused-setting": (0, 40),
        "ignored-options": (30, 40),
    }
