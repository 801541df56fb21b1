"""When a webhook that fails is tried again, and what is said of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from serve_app.alerts.receivers import (
    Receiver,
    compute_pause,
    note_failure,
    parse_retry_after,
    plan_attempt,
)
from serve_app.alerts.settings import AlertsConfig
from tests.unit.alerts.parts import CONFIG, NOON, at


def test_the_pauses_double_up_to_a_quarter_of_an_hour() -> None:
    pauses = [plan_attempt(attempts, NOON, CONFIG, NOON, 0.0) for attempts in range(1, 12)]
    assert [(each - NOON).total_seconds() for each in pauses if each] == [
        5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900,
    ]  # fmt: skip
    assert plan_attempt(10**9, NOON, CONFIG, NOON, 1.0) == at(720)


def test_there_is_an_end() -> None:
    config, now, attempts = AlertsConfig(give_up_after_h=1), NOON, 0
    while now is not None:
        attempts += 1
        last, now = now, plan_attempt(attempts, NOON, config, now, 0.5)  # type: ignore[assignment]
    assert attempts == 12
    assert NOON + timedelta(minutes=45) < last <= NOON + timedelta(hours=1)


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        ("30", 30.0),
        (" 0 ", 0.0),
        ("7200", 3600.0),
        ("9" * 400, 3600.0),
        ("Thu, 01 Jan 2026 12:00:45 GMT", 45.0),
        ("Thursday, 01-Jan-26 12:00:45 GMT", 45.0),
        ("Thu Jan  1 12:00:45 2026", 45.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 3600.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("Thu, 99 Jan 2026 12:00:45 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_what_a_receiver_asks_for(value: str | None, wait_s: float | None) -> None:
    assert parse_retry_after(value, NOON) == wait_s


def test_failures_in_a_row_double_the_pause_and_an_answer_that_asks_for_more_has_it() -> None:
    receiver, paused_s = None, []
    for wait_s in (None, None, 60.0, 1.0, 10**9, None):
        receiver = note_failure(receiver, "ops", "webhook_refused", "ops answered 503.", wait_s, NOON, 0.0)
        paused_s.append((receiver.next_at - NOON).total_seconds())
    assert paused_s == [5, 10, 60, 40, 3600, 160]
    assert receiver == Receiver("ops", 6, NOON, at(160), "ops answered 503.", "webhook_refused")
    assert Receiver.from_json(receiver.to_json()) == receiver
    # The pauses that we choose come early by chance, never those that were asked for.
    assert compute_pause(3, 1.0) == 16
    assert note_failure(None, "ops", "", "", 30.0, NOON, 1.0).next_at == at(30)


def test_a_clock_that_was_set_back_silences_nobody() -> None:
    receiver = note_failure(None, "ops", "", "", None, NOON, 0.0)
    told = [receiver.is_waited_for(at(second)) for second in (-4000, -10, 0, 4.9, 5, 100)]
    assert told == [False, True, True, True, False, False]


@pytest.mark.parametrize(
    ("code", "action"),
    [
        (
            "webhook_unreachable",
            "See that ops runs, that its url (user_config of Alerts, webhooks) is right, and that it can be reached "
            "from the head node.",
        ),
        (
            "webhook_silent",
            "See why ops takes so long, or give it a longer timeout_s (user_config of Alerts, webhooks).",
        ),
        ("webhook_redirects", "Set url of ops (user_config of Alerts, webhooks) to where it redirects to."),
        ("webhook_token_missing", "Put the token that token_env of ops names into the file of SEEDCORE_SECRETS_FILE."),
        (
            "webhook_refused",
            "See in what it answered, or in the log of ops, why it refuses: a wrong token or address, or too much for "
            "it.",
        ),
        (
            "of another version",
            "See in what it answered, or in the log of ops, why it refuses: a wrong token or address, or too much for "
            "it.",
        ),
    ],
)
def test_the_advice_is_about_the_receiver(code: str, action: str) -> None:
    assert Receiver("ops", 3, NOON, at(20), "ops is away.", code).render(CONFIG) == {
        "name": "ops",
        "sentence": "ops is away.",
        "action": f"{action} What it is to be told waits for up to 24 h.",
        "failing_since": "2026-01-01T12:00:00.000+00:00",
        "failures": 3,
        "next_at": "2026-01-01T12:00:20.000+00:00",
    }
