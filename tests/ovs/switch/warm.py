"""`python -m tests.ovs.switch.warm RUN_DIR PEER...`: resolve peers as the agent does, in a host's namespace."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from retia.switch.underlay import Underlay


async def main() -> None:
    start = time.perf_counter()
    cold = await Underlay(Path(sys.argv[1])).warm(set(sys.argv[2:]))
    print(f"cold={','.join(sorted(cold))} seconds={time.perf_counter() - start:.3f}")


if __name__ == "__main__":
    asyncio.run(main())
