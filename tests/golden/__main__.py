"""`python -m tests.golden`: write the flows that the rules make now, and print what is different."""

from __future__ import annotations

import difflib
import sys

from tests.golden import CASES, build, load, show


def main() -> None:
    for case in CASES:
        file = case.with_suffix(".flows")
        old = file.read_text(encoding="utf-8") if file.exists() else ""
        new = show(build(load(case)))
        if old != new:
            sys.stdout.writelines(
                difflib.unified_diff(old.splitlines(True), new.splitlines(True), file.name, file.name)
            )
            file.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
