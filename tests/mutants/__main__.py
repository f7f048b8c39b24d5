"""`python -m tests.mutants [WORD...]`: break the product in small ways; exit 1 unless every break is noticed.

With words only the mutants whose names contain one of them.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.mutants import MUTANTS
from tests.mutants.runner import Verdict, run

ROOT = Path(__file__).parents[2]


def main(words: list[str]) -> int:
    chosen = [one for one in MUTANTS if not words or any(word in one.name for word in words)]
    if not chosen:
        print(f"no mutant is called like {', '.join(words)}")
        return 1
    print(f"{len(chosen)} mutants", flush=True)
    start, failures, killed = time.monotonic(), 0, 0
    for mutant, verdict, said, seconds in run(ROOT, chosen):
        killed += verdict is Verdict.KILLED
        failures += verdict is not Verdict.KILLED
        print(f"{verdict.value:<9} {mutant.name:<34} {mutant.file:<34} {seconds:5.1f} s", flush=True)
        if said:
            print(f"    {mutant.harm}\n    {said}", flush=True)
    print(f"{killed} of {len(chosen)} killed in {time.monotonic() - start:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
