"""Breaks copies of the tree, one mutant at a time, and asks each mutant's test whether it notices.

    tree ─► a copy for each worker ─► all named tests, unbroken: must pass
                                   ─► break ─► the named test: must fail ─► mend ─► break ...

Only a test that fails kills: one that cannot be collected or found proves nothing. Never writes to the tree itself.
Called by `python -m tests.mutants` and by the runner's own test.
"""

from __future__ import annotations

import compileall
import contextlib
import os
import py_compile
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from tests.mutants.mutant import Drifted, Mutant, broken, check

WORKERS = 2
SEED = "7"
"""Of random tests: a mutant is killed every time or never."""
NOT_COPIED = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build")
PATIENCE = 60
"""Seconds until a test that hangs counts as failed."""


class Verdict(Enum):
    KILLED = "killed"
    SURVIVED = "SURVIVED"
    DRIFTED = "DRIFTED"
    UNTESTED = "UNTESTED"


class Outcome(NamedTuple):
    mutant: Mutant
    verdict: Verdict
    said: str = ""
    seconds: float = 0.0


class Copy:
    """A tree of its own to break. Compiled files are checked by their source's text, never by its time: two breaks
    within a second and of one length would else be one."""

    def __init__(self, root: Path, place: Path) -> None:
        self.place = place
        shutil.copytree(root, place, ignore=NOT_COPIED)
        mode = py_compile.PycInvalidationMode.CHECKED_HASH
        compileall.compile_dir(place, quiet=2, invalidation_mode=mode)

    @contextlib.contextmanager
    def with_break(self, mutant: Mutant) -> Iterator[None]:
        file = self.place / mutant.file
        before = file.read_text()
        file.write_text(broken(mutant, before))
        try:
            yield
        finally:
            file.write_text(before)

    def test(self, *tests: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=short", "-p", "no:cacheprovider"]
        return subprocess.run(
            [*command, "--timeout", str(PATIENCE), *tests],
            cwd=self.place,
            env={**os.environ, "PYTHONPATH": str(self.place), "PYTHONDONTWRITEBYTECODE": "1", "RETIA_SEED": SEED},
            capture_output=True,
            text=True,
            check=False,
        )


def judge(copy: Copy, mutant: Mutant) -> Outcome:
    """Raises Drifted."""
    start = time.monotonic()
    with copy.with_break(mutant):
        told = copy.test(mutant.test)
    seconds = time.monotonic() - start
    if told.returncode == 0:
        return Outcome(mutant, Verdict.SURVIVED, f"{mutant.test} still passes", seconds)
    if told.returncode != 1:
        return Outcome(mutant, Verdict.UNTESTED, f"{mutant.test} did not run:\n{told.stdout[-2000:]}", seconds)
    return Outcome(mutant, Verdict.KILLED, seconds=seconds)


def run(root: Path, mutants: Sequence[Mutant]) -> Iterator[Outcome]:
    """Each mutant's outcome, as it comes. When the tests do not pass unbroken there is one, of no mutant's doing."""
    fitting = []
    for mutant in mutants:
        try:
            check(mutant, root)
            fitting.append(mutant)
        except Drifted as error:
            yield Outcome(mutant, Verdict.DRIFTED, str(error))
    with tempfile.TemporaryDirectory(prefix="retia-mutants-") as place:
        copies = [Copy(root, Path(place) / str(number)) for number in range(min(WORKERS, len(fitting)))]
        yield from _judge_all(copies, fitting)


def _judge_all(copies: list[Copy], mutants: Sequence[Mutant]) -> Iterator[Outcome]:
    free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)

    def one(mutant: Mutant) -> Outcome:
        copy = free.get()
        try:
            return judge(copy, mutant)
        finally:
            free.put(copy)

    def unbroken(part: int) -> subprocess.CompletedProcess[str]:
        return copies[part].test(*sorted({mutant.test for mutant in mutants[part :: len(copies)]}))

    with ThreadPoolExecutor(max(1, len(copies))) as pool:
        for told in pool.map(unbroken, range(len(copies))):
            if told.returncode:
                said = f"the tests do not pass unbroken:\n{told.stdout[-3000:]}{told.stderr[-1000:]}"
                yield Outcome(Mutant("none", "", "", "", "", ""), Verdict.UNTESTED, said)
                return
        yield from pool.map(one, mutants)
