"""`retia plan` against a real etcd: what `apply` of the same file then does, and nothing written."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from retia.cli import plan as command
from retia.model.kinds import Port
from retia.model.state import Binding, HostState
from retia.store.contract import put_all
from retia.store.etcd import Access, EtcdStore
from retia.store.records import encode, key_of
from retia.store.view import View
from retia.values import Ip
from tests.etcd import EtcdServer, free_port
from tests.unit.cli.test_commands import DOCUMENT, Cli

SECRET = ("id", "key", "switch_key", "mac")


@pytest.fixture
def cli(own_etcd: EtcdServer, tmp_path: Path) -> Cli:
    return Cli(own_etcd.endpoint, tmp_path)


async def whole_revision(cli: Cli) -> int:
    store = EtcdStore(Access((cli.endpoint,)))
    try:
        return (await store.snapshot("/")).revision
    finally:
        await store.close()


async def bind(cli: Cli, where: dict[str, str]) -> None:
    """Hosts hv1 to hv3, and ports living on them."""
    store = EtcdStore(Access((cli.endpoint,)))
    try:
        view = await View.load(store)
        things: list[Any] = [HostState(host=f"hv{n}", key=n, tunnel=Ip.parse(f"192.0.2.{n}")) for n in (1, 2, 3)]
        things += [Binding(port=view.find(Port, port).id, host=host) for port, host in where.items()]
        await store.commit(put_all({key_of(one): encode(one) for one in things}))
    finally:
        await store.close()


def known(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer of `apply`, with what nobody can know before."""
    hidden = {**answer, "revision": "<allocated>", "create": []}
    for item in answer["create"]:
        hidden["create"].append({name: "<allocated>" if name in SECRET else value for name, value in item.items()})
    return hidden


def unveiled(line: str) -> re.Pattern[str]:
    """What a line of a plan may become: each thing not yet drawn is one word then, all else stays."""
    return re.compile(r"[\w:-]+".join(re.escape(part) for part in line.split("<allocated>")))


def test_plan_tells_what_apply_does_and_writes_nothing(cli: Cli) -> None:
    before = asyncio.run(whole_revision(cli))
    planned = json.loads(cli.ok("plan", "-f", str(cli.file), "-o", "json"))
    assert asyncio.run(whole_revision(cli)) == before, "not even the schema"
    applied = json.loads(cli.ok("apply", "-f", str(cli.file), "-o", "json"))
    for extra in ("flows", "untouched", "problems", "mended"):
        del planned[extra]
    made = applied["lines"]
    assert len(planned["lines"]) == len(made) == 10
    assert all(unveiled(line).fullmatch(real) for line, real in zip(planned["lines"], made, strict=True))
    assert any("<allocated>" in line for line in planned["lines"]) and "<allocated>" not in "".join(made)
    applied["lines"] = planned["lines"]
    assert json.dumps(planned) == json.dumps(known(applied))
    again = json.loads(cli.ok("plan", "-f", str(cli.file), "-o", "json"))
    assert again["flows"] == [] and again["revision"] == applied["revision"]
    assert cli.ok("plan", "-f", str(cli.file)) == "nothing would change: 10 objects are so already\n"


def test_flows_by_host_and_the_rest_counted(cli: Cli) -> None:
    cli.ok("apply", "-f", str(cli.file))
    asyncio.run(bind(cli, {"web/one": "hv1", "db/one": "hv2"}))
    less = DOCUMENT.replace("one: {addresses: [10.0.1.5]}, ", "")
    before = asyncio.run(whole_revision(cli))
    shown = cli.ok("plan", "-f", "-", "--prune", "--flows", text=less)
    assert asyncio.run(whole_revision(cli)) == before
    assert "- port web/one" in shown and "hv2: -" in shown and "hv3" not in shown
    assert "output:<web/one>" in shown
    assert "0 to create, 0 to change, 1 to delete; flows change on 2 hosts, 1 is untouched" in shown


def test_on_a_terminal_what_goes_is_red(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.ok("apply", "-f", str(cli.file))
    asyncio.run(bind(cli, {"web/one": "hv1", "db/one": "hv2"}))
    less = DOCUMENT.replace("one: {addresses: [10.0.1.5]}, ", "")
    words = ("plan", "-f", "-", "--prune", "--flows")
    assert "\x1b[" not in cli.ok(*words, text=less), "no colour in a pipe"
    monkeypatch.setattr(
        command,
        "console",
        lambda: Console(file=sys.stdout, width=400, highlight=False, force_terminal=True, color_system="standard"),
    )
    shown = cli.ok(*words, text=less).splitlines()
    gone = [line for line in shown if "- port web/one" in line or "  - " in line]
    assert len(gone) > 3 and all(line.startswith("\x1b[31m") and line.endswith("\x1b[0m") for line in gone)


def test_bad_input_is_answered_as_by_apply(cli: Cli) -> None:
    bad = DOCUMENT.replace("switch: db", "switch: nowhere")
    assert str(cli.fails("plan", "-f", "-", text=bad)) == str(cli.fails("apply", "-f", "-", text=bad))
    away = Cli(f"127.0.0.1:{free_port()}", cli.place)
    assert away.fails("plan", "-f", str(cli.file)).exit_code == 5
