"""The store's own settings in a file, and what its deployment makes of a ``user_config``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from serve_app.store.deployment import StoreDeployment
from serve_app.store.errors import StoreMisconfigured, StoreUnavailable
from serve_app.store.live.file import FILE_NAME, SettingsFile


async def test_what_was_accepted_last_is_there_and_for_the_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    file = SettingsFile(lambda: home)
    assert await file.last_settings("seedcore", "Store") is None
    await file.note_settings("seedcore", "Store", {"a": 1}, None)
    await file.note_settings("other", "Store", {"a": 2}, None)
    await file.note_settings("seedcore", "Store", None, {"mistakes": []})
    assert await file.last_settings("seedcore", "Store") == {"a": 1}
    assert [each.name for each in home.iterdir()] == [FILE_NAME]
    assert ((home / FILE_NAME).stat().st_mode & 0o777, home.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("text", ["", "{", "[]", '"a"', '{"seedcore/Store": 5}', "[" * 50_000])
async def test_a_file_that_holds_something_else_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    file = SettingsFile(lambda: tmp_path)
    assert await file.last_settings("seedcore", "Store") is None
    await file.note_settings("seedcore", "Store", {"a": 1}, None)
    assert json.loads((tmp_path / FILE_NAME).read_text())["seedcore/Store"] == {"a": 1}


async def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file = SettingsFile(lambda: tmp_path / "file")
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        await file.note_settings("seedcore", "Store", {}, None)

    def refuse() -> Path:
        raise StoreMisconfigured("It is not a database URL.")

    with pytest.raises(StoreMisconfigured):
        await SettingsFile(refuse).last_settings("seedcore", "Store")


async def test_the_store_goes_on_whatever_it_is_given_and_tells_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEEDCORE_HOME", str(tmp_path))
    replica = StoreDeployment()
    replica._settings._find_application = lambda: "seedcore"

    class Others:
        async def refused_settings(self, application: str) -> list[Any]:
            return [{"deployment": "Alerts"}]

    async def get_store() -> Any:
        return Others()

    monkeypatch.setattr(replica._opening, "get_store", get_store)
    await replica.reconfigure({})
    await replica._settings.settle()
    assert json.loads((tmp_path / FILE_NAME).read_text()) == {"seedcore/Store": {}}
    await replica.reconfigure({"password": "hunter2"})
    told = await replica.refused_settings("seedcore")
    assert told[0]["mistakes"] == [
        {
            "key": "user_config.password",
            "got": "an unknown key",
            "expected": "none; there are no settings here",
        }
    ]
    assert (told[0]["in_force"], told[0]["since"] is None, told[1:]) == (
        "Those of before stay in force.",
        False,
        [{"deployment": "Alerts"}],
    )
    assert "hunter2" not in str(told)
    await replica.reconfigure({})
    assert await replica.refused_settings("seedcore") == [{"deployment": "Alerts"}]
    await replica._settings.close()
