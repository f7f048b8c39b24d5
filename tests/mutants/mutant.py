"""A mutant: one small break of the product, the test that must notice it, and what users would have suffered."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Mutant(NamedTuple):
    """`file` and `test` are paths from the root of the tree; `old` stands in the file exactly once."""

    name: str
    file: str
    old: str
    new: str
    test: str
    harm: str


class Drifted(Exception):
    """The text that a mutant replaces is not in its file exactly once: the code has changed, so must the mutant."""


def broken(mutant: Mutant, text: str) -> str:
    """The file's text with the break in it. Raises Drifted."""
    times = text.count(mutant.old)
    if times != 1:
        raise Drifted(
            f"{mutant.file} has the text {times} times, not once: {mutant.old!r}. The code has changed: give mutant "
            f"{mutant.name} in tests/mutants its new text, then `python -m tests.mutants {mutant.name}`"
        )
    if mutant.old == mutant.new:
        raise Drifted(f"nothing changes in {mutant.file}: {mutant.old!r}")
    return text.replace(mutant.old, mutant.new)


def check(mutant: Mutant, root: Path) -> None:
    """Whether the mutant fits this tree. Raises Drifted."""
    file, test = root / mutant.file, root / mutant.test.partition("::")[0]
    for needed in (file, test):
        if not needed.is_file():
            raise Drifted(f"there is no {needed.relative_to(root)}")
    broken(mutant, file.read_text())
    function = mutant.test.partition("::")[2].partition("[")[0]
    if f"def {function}(" not in test.read_text():
        raise Drifted(f"{test.relative_to(root)} has no test {function}")
