"""Pages made from the code are what the code says; pictures show every object."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs import pictures
from docs.generate import HERE, stale
from retia.cli import graphviz
from retia.compile.explain import Things
from retia.model.kinds import Object, Project
from retia.model.network import Network
from retia.model.state import Binding, HostState

SVG = "{http://www.w3.org/2000/svg}"
TOOLTIP = "{http://www.w3.org/1999/xlink}title"


def test_no_page_is_stale() -> None:
    assert stale() == [], "run make docs"


@pytest.mark.parametrize("make", [pictures.demo, pictures.large])
def test_every_object_is_in_its_picture(make: Callable[[], Things]) -> None:
    """In what Graphviz makes of it now, and in the file beside the page."""
    things = make()
    now = graphviz.svg(pictures.picture(things))
    kept = (HERE / f"graph-{make.__name__}.svg").read_text(encoding="utf-8")
    for text in (now, kept):
        named, words = _read(text)
        network = Network(thing for thing in things.values() if isinstance(thing, Object))
        projects = {f"project {one.name}" for one in network.of(Project)}
        objects = {network.label(one) for one in network.objects.values() if not isinstance(one, Project)}
        hosts = {f"host {one.host}" for one in things.values() if isinstance(one, HostState)}
        assert objects | hosts <= named.keys(), sorted((objects | hosts) - named.keys())
        assert projects <= words
        for binding in (one for one in things.values() if isinstance(one, Binding)):
            port = network.objects[binding.port]
            assert f"on {binding.host}" in named[network.label(port)], binding


def _read(text: str) -> tuple[dict[str, str], set[str]]:
    """By name what tooltips say of it, and the words that are drawn."""
    root = ElementTree.fromstring(text.encode())
    lines = [line for each in root.iter(f"{SVG}a") for line in each.get(TOOLTIP, "").split("\n")]
    named = {line.partition(": ")[0]: line for line in lines}
    return named, {each.text or "" for each in root.iter(f"{SVG}text")}


def test_the_larger_network_is_as_large_as_it_says() -> None:
    assert sum(isinstance(thing, Object) for thing in pictures.large().values()) == pictures.LARGE


def test_pages_that_show_pictures_have_them() -> None:
    page = Path(HERE / "graph.md").read_text(encoding="utf-8")
    assert "graph-demo.svg" in page and "graph-large.svg" in page
