"""A short chaos in every test run; `make chaos` is the long one. RETIA_SEED plays one again."""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from tests.chaos.harm import Harm
from tests.chaos.run import Account, _explains, run

SECONDS = float(os.environ.get("RETIA_CHAOS", "30"))


@pytest.mark.lab
@pytest.mark.timeout(SECONDS * 2 + 180)
def test_after_a_short_chaos_nothing_is_lost_or_wrong() -> None:
    seed = int(os.environ.get("RETIA_SEED", random.randrange(1 << 20)))
    print(f"RETIA_SEED={seed}")
    account = asyncio.run(run(SECONDS, seed))
    print("\n".join([*account.history[-40:], *account.lines()]))
    assert not account.failures
    assert account.acknowledged and account.pings > 100 and account.quiet >= 2


def test_a_loss_is_explained_only_by_what_was_going_on() -> None:
    harm = Harm("ovs-vswitchd killed", "hv1", 10.0, 11.0)
    assert _explains(harm, 10.5) and _explains(harm, 12.5) and not _explains(harm, 9.0) and not _explains(harm, 14.0)


def test_an_account_says_what_failed() -> None:
    account = Account(7, failures=["a change was lost: - port x"])
    assert "FAILED a change was lost: - port x" in account.lines()
