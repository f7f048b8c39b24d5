"""Levels of the log while a process runs: of all, of one part, and what does not exist."""

from __future__ import annotations

import pytest

from retia import log
from retia.errors import InvalidInput

one, other = log.logger("agent"), log.logger("duties")


@pytest.fixture(autouse=True)
def configured() -> None:
    log.configure("info", "json")


def heard(capsys: pytest.CaptureFixture[str]) -> list[str]:
    log.configure("info", "json")
    return [line.split('"event": "')[1].split('"')[0] for line in capsys.readouterr().err.splitlines()]


def test_a_level_changes_while_the_process_runs(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json")
    one.debug("before")
    log.set_level("debug")
    one.debug("after")
    log.set_level("error")
    one.warning("quiet")
    assert heard(capsys) == ["after"]


def test_one_part_has_a_level_of_its_own_until_all_are_set(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("warning", "json")
    log.set_level("debug", "duties")
    assert log.levels() == {"all": "warning", "duties": "debug"}
    one.info("not this")
    other.debug("this")
    log.set_level("info")
    assert log.levels() == {"all": "info"}
    one.info("this too")
    other.debug("nor this")
    assert heard(capsys) == ["this", "this too"]


def test_messages_are_counted_by_level(capsys: pytest.CaptureFixture[str]) -> None:
    before = log.logged.copy()
    one.warning("counted")
    one.debug("not logged, not counted")
    assert log.logged - before == {"warning": 1}


@pytest.mark.parametrize(("level", "part", "says"), [("loud", "", "no log level"), ("debug", "nobody", "no logger")])
def test_what_does_not_exist_is_named_with_what_does(level: str, part: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as error:
        log.set_level(level, part)
    assert ("debug" if says == "no log level" else "duties") in error.value.advice
    assert log.levels() == {"all": "info"}
