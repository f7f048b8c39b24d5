"""The kernel is asked for real whether it has a family of generic netlink."""

from __future__ import annotations

from pathlib import Path

import pytest

from retia.errors import SwitchAway
from retia.switch import datapath


def test_the_kernel_is_asked() -> None:
    assert datapath.kernel_has("nlctrl"), "the family of families is always there"
    assert not datapath.kernel_has("no_such_family")


async def test_what_is_wanted_is_taken_and_auto_needs_the_database(tmp_path: Path) -> None:
    assert await datapath.choose("netdev", tmp_path / "none", "br-int") == "netdev"
    with pytest.raises(SwitchAway):
        await datapath.choose("auto", tmp_path / "none", "br-int")
