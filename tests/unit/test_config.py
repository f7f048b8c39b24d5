"""Settings: flag before environment before file, and clear words for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from retia.config import Settings, load, sentences
from retia.errors import InvalidInput


def test_flags_beat_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "retia.yaml"
    file.write_text("etcd: [a:1, b:2]\nbridge: br-file\nhost: from-file\n")
    environment = {"RETIA_CONFIG": str(file), "RETIA_BRIDGE": "br-env", "RETIA_HOST": "from-env"}
    settings = load({"host": "from-flag", "bridge": ""}, environment)
    assert (settings.etcd, settings.bridge, settings.host) == (("a:1", "b:2"), "br-env", "from-flag")


def test_endpoints_are_separated_by_commas() -> None:
    assert load({"etcd": "a:1, b:2"}, {}).etcd == ("a:1", "b:2")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("brige: x", "brige"),
        ("lease_seconds: soon", "lease_seconds"),
        ("bfd_interval: 20", "bfd_interval"),
        ("bfd_interval: 60001", "bfd_interval"),
        ("mode: half", "mode"),
        ("want_idle: 0.5", "want_idle"),
        ("want_idle: 86401", "want_idle"),
        ("ipfix_sampling: 0", "ipfix_sampling"),
        ("- a", "no list of settings"),
        ("a: [", "cannot"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "retia.yaml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=says):
        load({}, {}, file)


def test_a_missing_file_is_an_error_only_when_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such settings file"):
        load({}, {}, tmp_path / "none.yaml")


def test_every_setting_says_what_it_is() -> None:
    assert set(sentences()) == set(Settings.__struct_fields__) and all(sentences().values())
