"""The README says what the code does: every setting, route, skill and command, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from organs.catalog import ORGAN_TYPES
from organs.models import OrganConfig
from organs.skills.table import BUILT_IN
from serve_app.alerts.settings import AlertsConfig
from serve_app.env import Env, variable_of
from serve_app.jobs.actions.settings import JobManagement
from serve_app.jobs.settings import InspectorConfig
from serve_app.organism.settings import ManagerConfig
from serve_app.settings import AppArgs, IngressConfig
from tests.unit.fakes import fake_api

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
HOME = "`~/.local/state/seedcore`; `make up`: `.seedcore` in the checkout"


def default_of(field: FieldInfo) -> str:
    if isinstance(field.default, BaseModel):
        return "each its own"
    if field.default is PydanticUndefined:
        return "required"
    return {None: "none", (): "empty"}.get(field.default, f"`{field.default}`")


def rows(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = f"{prefix}`{name}`" if prefix.endswith(" ") or not prefix else f"`{prefix}{name}`"
        yield f"| {key} | {field.description} | {default_of(field)} |"


def env_rows() -> Iterator[str]:
    for name, field in Env.model_fields.items():
        default = HOME if name == "home" else default_of(field)
        yield f"| `{variable_of(name)}` | {field.description} | {default} |"


SETTINGS = [
    *env_rows(),
    *rows(AppArgs),
    *rows(JobManagement, "job_management."),
    *rows(IngressConfig, "`Ingress` | "),
    *rows(ManagerConfig, "`OrganismManager` | "),
    *rows(InspectorConfig, "`JobInspector` | "),
    *rows(AlertsConfig, "`Alerts` | "),
    *rows(OrganConfig, "an organ | "),
]


@pytest.mark.parametrize("row", SETTINGS)
def test_every_setting_is_documented_as_it_is(row: str) -> None:
    assert row in README.splitlines()


def test_no_setting_is_documented_that_does_not_exist() -> None:
    section = README.split("## Configuration")[1].split("\n## ")[0]
    documented = [line for line in section.splitlines() if line.startswith("| ") and "`" in line]
    assert sorted(set(documented) - set(SETTINGS)) == []


def test_every_route_is_documented_and_no_other() -> None:
    documented = set(re.findall(r"^\| `((?:GET|POST|DELETE) [^`?]+)`", README, re.MULTILINE))
    paths = fake_api().openapi()["paths"]
    served = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods if method != "head"}
    assert documented == served


def test_every_skill_is_in_the_table_of_its_organ_type_default_first() -> None:
    for organ_type, kind in ORGAN_TYPES.items():
        line = next(line for line in README.splitlines() if line.startswith(f"| {organ_type} | `"))
        named = re.findall(r"`([a-z.]+)`", line)
        assert named[0] == kind.default_skill
        assert set(named) == {skill.name for skill in BUILT_IN if skill.organ_type == organ_type}


def test_the_example_skill_of_the_readme_loads_and_runs() -> None:
    code = next(block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "class Greet" in block)
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    greet = names["Greet"]
    assert greet.name == "people.greet"  # type: ignore[attr-defined]


def test_every_make_target_that_is_mentioned_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for text in (README, (ROOT / "CONTRIBUTING.md").read_text()):
        assert set(re.findall(r"\bmake ([a-z-]+)`", text)) <= targets


MOST_LINES_OF_A_GET = 40


def test_the_example_of_a_get_is_the_code() -> None:
    """Each piece stands in its file word for word, so nobody learns from what the code no longer does."""
    section = (ROOT / "CONTRIBUTING.md").read_text().split("## Adding a GET")[1].split("\n## ")[0]
    (example,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(example.splitlines()) <= MOST_LINES_OF_A_GET
    pieces = re.findall(r"^# (\S+\.py): [^\n]+\n(.*?)(?=^# \S+\.py: |\Z)", example, re.DOTALL | re.MULTILINE)
    assert "".join(f"# {path}" for path, _ in pieces) == "".join(re.findall(r"^# \S+\.py", example, re.MULTILINE))
    assert [path for path, piece in pieces if piece.rstrip() + "\n" not in (ROOT / path).read_text()] == []


def test_the_version_is_one() -> None:
    from serve_app import __version__

    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()


def fill(text: str) -> str:
    """README with its configuration tables written anew; ``python -m tests.unit.test_docs`` does it."""
    parts = {
        "env": list(env_rows()),
        "args": [*rows(AppArgs), *rows(JobManagement, "job_management.")],
        "user_config": [row for row in SETTINGS if row.count(" | ") == 3],
    }
    for name, lines in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, rest = text.split(begin)
        head = rest.split(end)[0].strip().splitlines()[:2]
        text = "\n".join([f"{before}{begin}\n", *head, *lines, f"\n{end}{rest.split(end)[1]}"])
    return text


if __name__ == "__main__":
    (ROOT / "README.md").write_text(fill(README))
