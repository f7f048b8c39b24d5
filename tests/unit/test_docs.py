"""Pages made from the code are what the code says."""

from __future__ import annotations

from docs.generate import stale


def test_no_page_is_stale() -> None:
    assert stale() == [], "run make docs"
