"""Write every expected message anew and print what changed."""

from __future__ import annotations

import difflib

from tests.errors import CASES, message

for case in CASES:
    expected = case.with_suffix(".txt")
    old = expected.read_text() if expected.exists() else ""
    new = message(case)
    if old != new:
        expected.write_text(new)
        print("".join(difflib.unified_diff(old.splitlines(True), new.splitlines(True), f"{case.stem} before", "now")))
