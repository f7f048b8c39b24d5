"""Names a lab and its nodes may bear: those Linux and our own files can carry."""

from __future__ import annotations

import pytest

from retia.errors import InvalidInput
from retia.lab.names import Place, check_lab, check_node


@pytest.mark.parametrize("name", ["a", "web1", "a-b", "fifteen-letters"])
def test_good_nodes(name: str) -> None:
    assert check_node(name) == name


@pytest.mark.parametrize("name", ["", "1a", "A", "a_b", "a.b", "sixteen-letters1", "fabric", "all", "br-phys", "a/b"])
def test_bad_nodes(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_node(name)


@pytest.mark.parametrize("name", ["", "../x", "a.b", "A", "x" * 41])
def test_bad_labs(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_lab(name)


def test_sockets_fit_into_their_108_bytes() -> None:
    place = Place("x" * 40)
    assert len(str(place.host_dir("y" * 15) / "ovs-vswitchd.4194304.ctl")) < 108
    assert place.namespace("a") == f"retia-{place.name}.a"
