"""``user_config`` of the ``Alerts`` deployment: thresholds, hold times, silences and webhooks. No secrets here."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from serve_app.queries.windows import DEFAULT_WINDOW, AlertWindow


class Rule(StrEnum):
    """What there can be an alert about."""

    JOB_FAILURE_RATE = "job-failure-rate"
    CPU_HIGH = "cpu-high"
    MEMORY_HIGH = "memory-high"
    API_SLOW = "api-slow"
    ORGAN_NOT_RESPONDING = "organ-not-responding"
    CIRCLING_JOB = "circling-job"
    STUCK_JOB = "stuck-job"
    MISSING_JOB = "missing-job"
    PAST_DEADLINE = "past-deadline"
    LEFTOVER_ACTORS = "leftover-actors"
    REFUSED_SETTING = "refused-setting"
    IGNORED_OPTIONS = "ignored-options"


# Rules whose conditions the judge finds; the others are thresholds and the manager's probe.
FOUND_RULES = (
    Rule.CIRCLING_JOB,
    Rule.STUCK_JOB,
    Rule.MISSING_JOB,
    Rule.PAST_DEADLINE,
    Rule.LEFTOVER_ACTORS,
    Rule.REFUSED_SETTING,
    Rule.IGNORED_OPTIONS,
)
# A failure rate is over a window already, and what the judge calls circling, stuck, missing or late has waited there.
_AT_ONCE = (
    Rule.JOB_FAILURE_RATE,
    Rule.CIRCLING_JOB,
    Rule.STUCK_JOB,
    Rule.MISSING_JOB,
    Rule.PAST_DEADLINE,
    Rule.REFUSED_SETTING,
)
# One lost probe is an accident; three periods of silence are not.
_ORGAN_HOLD_S = 15.0


class _Strict(BaseModel):
    # A URL that is refused for the password in it must not be quoted by the refusal.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class HoldTimes(_Strict):
    """Other hold times of one rule; what is not given stays as it is for all."""

    rule: Rule
    hold_s: float | None = Field(default=None, ge=0, le=86_400)
    resolve_hold_s: float | None = Field(default=None, ge=0, le=86_400)


class Silence(_Strict):
    """Alerts that nobody is told of. They are tracked, and told when the silence ends before they do."""

    rule: Rule | Literal["*"] = "*"
    subject: str = Field(default="*", min_length=1, max_length=200, description="With `*` and `?` as in file names.")
    until: AwareDatetime | None = None
    reason: str = Field(min_length=1, max_length=200)

    def covers(self, rule: Rule, subject: str, now: datetime) -> bool:
        """Whether it silences this now."""
        if self.rule not in ("*", rule) or not fnmatchcase(subject, self.subject):
            return False
        return self.until is None or now < self.until


class Webhook(_Strict):
    """Who is told. ``token_env`` names the variable, of the file of secrets or of the replica's environment, that
    holds a bearer token."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")
    url: str = Field(max_length=2000)
    format: Literal["alertmanager", "json"] = "json"
    timeout_s: float = Field(default=5.0, gt=0, le=30)
    token_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")
    send_resolved: bool = True

    @field_validator("url")
    @classmethod
    def _require_http_without_secrets(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise ValueError("not a URL") from None
        if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
            raise ValueError("must be http://… or https://… with a host")
        if "@" in parts.netloc:
            raise ValueError("must hold no user or password; name a variable with a token in token_env")
        return url


class AlertsConfig(_Strict):
    """``user_config`` of the ``Alerts`` deployment."""

    period_s: float = Field(default=5.0, ge=0.5, le=300, description="How often conditions are judged.")
    stale_after_s: float = Field(
        default=60.0, ge=1, le=3600, description="What was observed longer ago says nothing about now."
    )
    job_failure_ratio: float = Field(
        default=0.05, ge=0, lt=1, description="Failed jobs among those that ended, above which it is an alert."
    )
    job_failure_minimum: int = Field(
        default=20, ge=1, le=100_000, description="Fewest ended jobs in the window of which a ratio is taken."
    )
    job_failure_window: AlertWindow = Field(
        default=DEFAULT_WINDOW, description="Window of the failure ratio: 5m or 1h."
    )
    cpu_ratio: float = Field(default=0.8, gt=0, le=1, description="CPU use of a node above which it is an alert.")
    memory_ratio: float = Field(default=0.8, gt=0, le=1, description="Memory use of a node above which it is an alert.")
    response_p95_s: float = Field(
        default=5.0, gt=0, le=600, description="95th percentile of response times in 5 minutes; above is an alert."
    )
    response_minimum: int = Field(
        default=20, ge=1, le=100_000, description="Fewest responses of which a percentile is taken."
    )
    hold_s: float = Field(
        default=60.0,
        ge=0,
        le=86_400,
        description=(
            "How long CPU, memory, response times or leftover actors must be wrong before it is an alert; a silent "
            "organ 15 s, the rest at once."
        ),
    )
    resolve_hold_s: float = Field(
        default=60.0, ge=0, le=86_400, description="How long a condition must be gone before its alert is resolved."
    )
    holds: tuple[HoldTimes, ...] = Field(
        default=(), max_length=len(Rule), description="Other times for a rule: `{rule, hold_s, resolve_hold_s}`."
    )
    disabled: tuple[Rule, ...] = Field(default=(), max_length=len(Rule), description="Rules that are not judged.")
    silences: tuple[Silence, ...] = Field(
        default=(),
        max_length=100,
        description=(
            "What nobody is told of: `{rule, subject, until, reason}`; `subject` may hold `*`, `until` is a quoted "
            "RFC 3339 time."
        ),
    )
    webhooks: tuple[Webhook, ...] = Field(
        default=(),
        max_length=10,
        description=(
            "Who is told: `{name, url, format, timeout_s, token_env, send_resolved}`; `format` is `json` or "
            "`alertmanager`, `token_env` names a variable with a bearer token, which the file of secrets may hold."
        ),
    )
    update_s: float = Field(
        default=300.0,
        ge=60,
        le=86_400,
        description=(
            "How often a message that is open is told again when more fire for its reason; when their number doubled, "
            "after 60 s."
        ),
    )
    resend_s: float = Field(
        default=60.0, ge=5, le=3600, description="How often an Alertmanager is told again of what still fires."
    )
    give_up_after_h: float = Field(
        default=24.0, gt=0, le=720, description="After this a notification that cannot be delivered is given up."
    )
    kept_history: int = Field(default=10_000, ge=100, le=1_000_000, description="Most resolved alerts that are kept.")
    kept_days: float = Field(default=90.0, gt=0, le=3650, description="How long a resolved alert is kept, in days.")

    @model_validator(mode="after")
    def _require_unique_names(self) -> Self:
        for what, names in (
            ("webhooks", [webhook.name for webhook in self.webhooks]),
            ("holds", [hold.rule.value for hold in self.holds]),
        ):
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"{what}: {name!r} is given twice")
        return self

    def get_hold(self, rule: Rule) -> float:
        """Seconds for which a condition must hold before its alert fires."""
        given = self._find_override(rule)
        if given is not None and given.hold_s is not None:
            return given.hold_s
        if rule is Rule.ORGAN_NOT_RESPONDING:
            return _ORGAN_HOLD_S
        return 0.0 if rule in _AT_ONCE else self.hold_s

    def get_resolve_hold(self, rule: Rule) -> float:
        """Seconds for which a condition must be gone before its alert is resolved."""
        given = self._find_override(rule)
        return self.resolve_hold_s if given is None or given.resolve_hold_s is None else given.resolve_hold_s

    def _find_override(self, rule: Rule) -> HoldTimes | None:
        return next((hold for hold in self.holds if hold.rule is rule), None)
