"""The organism's memory: values by key, kept in the store. What ``memory.put`` acknowledges is committed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from organs.skills.contract import OTHER_VERSION, Outcome, Skill, SkillContext, SkillNotFound, SkillUnavailable

MAX_TAGS = 20


class _Input(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PutInput(_Input):
    """What to keep."""

    key: str = Field(min_length=1, max_length=256, description="Name under which the value is found again.")
    value: JsonValue = Field(description="Any JSON value, 256 KiB at most.")
    tags: tuple[str, ...] = Field(default=(), max_length=MAX_TAGS, description="Words to search by.")


class GetInput(_Input):
    """Which value."""

    key: str = Field(min_length=1, max_length=256, description="Name under which the value was put.")


class SearchInput(_Input):
    """What to look for."""

    query: str = Field(default="", max_length=256, description="Text that key or value contains.")
    tags: tuple[str, ...] = Field(
        default=(), max_length=MAX_TAGS, description="Tags that a value must have, all of them."
    )
    limit: int = Field(default=20, ge=1, le=500, description="Most values in the answer.")


class MemoryPut(Skill[PutInput]):
    """Keep a value under a key."""

    name = "memory.put"
    summary = "Keeps a value under a key, with tags, so that it survives replica, node and cluster."
    organ_type = "Utility"
    keywords = ("memory", "remember", "store", "save", "keep", "put", "write", "note")
    idempotent = True
    Input = PutInput

    async def run(self, input: PutInput, context: SkillContext) -> Outcome:
        store, given = context.ports.store, (input.key, input.value, list(input.tags), context.agent_id)
        if not context.request:
            return Outcome(await store.put_memory(*given))
        try:
            return Outcome(await store.put_memory_once(*given, context.request))
        except SkillUnavailable as error:
            if error.code != OTHER_VERSION:
                raise
            # The store of the version before is being replaced: nothing was done.
            return Outcome(await store.put_memory(*given))


class MemoryGet(Skill[GetInput]):
    """Find a value by its key."""

    name = "memory.get"
    summary = "Returns the value that was put under a key."
    organ_type = "Utility"
    keywords = ("memory", "recall", "get", "read", "value", "key")
    idempotent = True
    Input = GetInput

    async def run(self, input: GetInput, context: SkillContext) -> Outcome:
        found = await context.ports.store.get_memory(input.key)
        if found is None:
            raise SkillNotFound(f"Nothing is remembered under the key {input.key!r}.")
        return Outcome(found)


class MemorySearch(Skill[SearchInput]):
    """Find values by text and tags."""

    name = "memory.search"
    summary = "Finds remembered values whose key or text contains a query and that have all given tags."
    organ_type = "Utility"
    keywords = ("memory", "search", "find", "look", "lookup", "query")
    idempotent = True
    Input = SearchInput

    async def run(self, input: SearchInput, context: SkillContext) -> Outcome:
        return Outcome(await context.ports.store.search_memory(input.query, list(input.tags), input.limit))
