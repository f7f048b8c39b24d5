"""`python -m tests.chaos SECONDS [SEED]`: exit 1 when anything was lost, differs or grew."""

from __future__ import annotations

import asyncio
import random
import sys

from tests.chaos.run import run


def main(words: list[str]) -> int:
    seconds, seed = float(words[0]), int(words[1]) if len(words) > 1 else random.randrange(1 << 20)
    print(f"chaos: {seconds:g} s with seed {seed}", flush=True)
    account = asyncio.run(run(seconds, seed, tell=True))
    print("\n".join(account.lines()))
    if account.failures:
        print(f"again: make chaos SECONDS={seconds:g} SEED={seed}")
    return 1 if account.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
