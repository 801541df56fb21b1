"""Which organ types there are, and which skills an organ has under its configuration."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from organs.live.mistakes import WrongSetting
from organs.models import OrganConfig, OrganType
from organs.skills.contract import Skill, SkillError, SkillInputError
from organs.skills.table import BUILT_IN

NEAREST = 3
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")
MAX_NAME_CHARACTERS = 128


@dataclass(frozen=True)
class OrganKind:
    """What is particular to an organ type."""

    default_skill: str
    role_probabilities: dict[str, float]
    self_test: dict[str, Any]


ORGAN_TYPES: dict[OrganType, OrganKind] = {
    "Cognitive": OrganKind(
        "task.plan",
        {"E": 0.3, "S": 0.6, "O": 0.1},
        {"type": "task.plan", "description": "search memory, then probe the organs"},
    ),
    "Actuator": OrganKind(
        "task.preview", {"E": 0.7, "S": 0.2, "O": 0.1}, {"type": "task.preview", "description": "fetch a page"}
    ),
    "Utility": OrganKind(
        "organ.probe", {"E": 0.2, "S": 0.3, "O": 0.5}, {"type": "cluster.resources", "description": ""}
    ),
}


class CatalogError(WrongSetting):
    """The configured skills are not acceptable; the sentence names the entry and what was expected."""

    def __init__(self, detail: str, key: Literal["skills", "default_skill"] = "skills") -> None:
        super().__init__(detail, key)


@dataclass(frozen=True)
class Catalog:
    """The skills of one organ, by name, and the one that plain words go to."""

    organ_type: OrganType
    skills: dict[str, type[Skill[Any]]]
    default: type[Skill[Any]]
    table: tuple[type[Skill[Any]], ...]
    """Every skill that this organ knows of, in all organ types: what plans are made of."""

    @classmethod
    def load(cls, organ_type: OrganType, config: OrganConfig) -> Catalog:
        """The built-in skills of the type and the configured ones; raises ``CatalogError``."""
        own = tuple(_require_type(import_skill(path), organ_type) for path in config.skills)
        skills: dict[str, type[Skill[Any]]] = {}
        for skill in (*(each for each in BUILT_IN if each.organ_type == organ_type), *own):
            if skill.name in skills:
                raise CatalogError(f"skills: the name {skill.name!r} is taken; give the skill another name")
            skills[skill.name] = skill
        default = config.default_skill or ORGAN_TYPES[organ_type].default_skill
        if default not in skills:
            raise CatalogError(
                f"default_skill: {default!r} is not a skill of this organ; it has {', '.join(sorted(skills))}",
                "default_skill",
            )
        return cls(organ_type, skills, skills[default], (*BUILT_IN, *own))

    def resolve(self, task_type: str) -> type[Skill[Any]]:
        """The skill of a task: by its exact name; a plain word without a dot means the default skill.

        Raises ``SkillInputError`` with code ``unknown_skill`` for a dotted name that does not exist here.
        """
        skill = self.skills.get(task_type)
        if skill is not None:
            return skill
        if "." not in task_type:
            return self.default
        raise refuse_unknown_skill(task_type, self.skills, self.table)


def refuse_unknown_skill(
    task_type: str, here: dict[str, type[Skill[Any]]], everywhere: tuple[type[Skill[Any]], ...]
) -> SkillError:
    """The refusal of a dotted name, with what comes nearest."""
    elsewhere = next((skill for skill in everywhere if skill.name == task_type), None)
    if elsewhere is not None:
        detail = f"{task_type!r} is a skill of {elsewhere.organ_type} organs, not of this one."
    else:
        names = sorted({*here, *(skill.name for skill in everywhere)})
        nearest = difflib.get_close_matches(task_type, names, n=NEAREST, cutoff=0.5) or sorted(here)
        detail = f"There is no skill {task_type!r}; the nearest are {', '.join(nearest)}."
    return SkillInputError(detail, code="unknown_skill")


def import_skill(path: str) -> type[Skill[Any]]:
    """A user's skill by its import path (`package.module:Name`); raises ``CatalogError``."""
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise CatalogError(f"skills: got {path!r}; expected an import path such as my_package.my_module:MySkill")
    try:
        skill = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise CatalogError(f"skills: {path!r} cannot be imported ({error})") from error
    except (Exception, SystemExit) as error:  # foreign code runs at its import, and may raise anything
        raise CatalogError(f"skills: {path!r} cannot be imported ({type(error).__name__}: {error})") from error
    if not (inspect.isclass(skill) and issubclass(skill, Skill)) or inspect.isabstract(skill):
        raise CatalogError(f"skills: {path!r} is not a skill; expected a subclass of organs.skills.contract.Skill")
    return _require_well_made(path, skill)


def _require_well_made(path: str, skill: type[Skill[Any]]) -> type[Skill[Any]]:
    for attribute in ("name", "summary", "organ_type", "Input"):
        if not hasattr(skill, attribute):
            raise CatalogError(f"skills: {path!r} has no class attribute {attribute!r}")
    if "." not in skill.name:
        raise CatalogError(f"skills: {path!r} is named {skill.name!r}; a skill's name has a dot, as in memory.put")
    if not _NAME.fullmatch(skill.name) or len(skill.name) > MAX_NAME_CHARACTERS:
        raise CatalogError(
            f"skills: {path!r} is named {skill.name[:MAX_NAME_CHARACTERS]!r}; expected at most {MAX_NAME_CHARACTERS} "
            "letters, digits, - and _, with dots between them"
        )
    if not (inspect.isclass(skill.Input) and issubclass(skill.Input, BaseModel)):
        raise CatalogError(f"skills: the Input of {path!r} is not a pydantic model")
    if not inspect.iscoroutinefunction(skill.run):
        raise CatalogError(f"skills: run of {path!r} is not an `async def`")
    return skill


def _require_type(skill: type[Skill[Any]], organ_type: OrganType) -> type[Skill[Any]]:
    if skill.organ_type != organ_type:
        raise CatalogError(f"skills: {skill.name!r} is for {skill.organ_type} organs; this one is {organ_type}")
    return skill
