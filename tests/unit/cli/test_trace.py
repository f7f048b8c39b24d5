"""`retia trace`: of a document alone and of the store; forms, exit codes, and what wrong questions get."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import yaml

from retia.model.kinds import Port
from retia.model.state import Alive, Binding
from retia.store.contract import put_all
from retia.store.etcd import Access, EtcdStore
from retia.store.host import register
from retia.store.records import encode, key_of
from retia.store.view import View
from retia.values import Ip
from tests.etcd import EtcdServer
from tests.unit.cli.answering import answering
from tests.unit.cli.test_reach import APART, DOCUMENT, run


@pytest.fixture
def document(tmp_path: Path) -> str:
    (tmp_path / "net.yaml").write_text(DOCUMENT)
    return str(tmp_path / "net.yaml")


def test_a_document_alone_in_every_form(document: str) -> None:
    tree = run("trace", "web/one", "--to", "db/one", "-f", document)
    assert tree.exit_code == 0, tree.output
    assert tree.output.startswith("web/one → db/one (ping, what-if)\nhost one\n├─ switch web  from one\n")
    assert "├─ router r1  from to-web" in tree.output and "delivered to port db/one" in tree.output
    lines = run("trace", "web/one", "--to", "db/one", "-f", document, "-o", "lines").output.splitlines()
    assert lines[0] == "type:LS,pipeline:web,from:one,to:<UNKNOWN>,stage:ADMIT,chassis:one"
    (data,) = json.loads(run("trace", "web/one", "--to", "db/one", "-f", document, "-o", "json").output)
    assert [point["stage"] for point in data["points"]] == [line.split("stage:")[1].split(",")[0] for line in lines]
    (again,) = yaml.safe_load(run("trace", "web/one", "--to", "db/one", "-f", document, "-o", "yaml").output)
    assert again.keys() == data.keys() and len(again["points"]) == len(data["points"])
    both = json.loads(run("trace", "web/one", "--to", "db/one", "--back", "-f", document, "-o", "json").output)
    assert [one["to"] for one in both] == ["port db/one", "port web/one"]


def test_what_does_not_arrive_exits_with_3(tmp_path: Path) -> None:
    (tmp_path / "apart.yaml").write_text(APART)
    apart = str(tmp_path / "apart.yaml")
    no = run("trace", "web/one", "--to", "db/one", "-f", apart)
    assert no.exit_code == 3 and "dropped on one" in no.output and "no route" in no.output, no.output
    right = run("trace", "--auto", "web", "-f", apart)
    assert right.exit_code == 0 and right.output.startswith("2 ways tried, 0 wrong"), right.output
    wrong = run("trace", "--auto", "web", "db", "-f", apart, "--seed", "7")
    assert wrong.exit_code == 3 and wrong.output.startswith("6 ways tried, 4 wrong (seed 7)"), wrong.output
    assert "web/one → db/one" in wrong.output and "web/one → web/two" not in wrong.output
    data = run("trace", "--auto", "web", "db", "-f", apart, "--seed", "7", "-o", "json")
    assert len(json.loads(data.stdout)) == 4 and "6 ways tried" in data.stderr, "what programs read is data alone"
    some = run("trace", "--auto", "web", "db", "-f", apart, "--pairs", "2", "--seed", "7")
    assert some.output.startswith("2 ways tried")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["web/one"], "give one port and where its packet is for"),
        (["web/one", "web/two", "--to", "10.0.1.5"], "give one port"),
        (["web/one", "--to", "10.0.1.5", "--hex", "02" * 20], "give one port"),
        (["web/one", "--to", "10.0.1.5", "--tcp", "80", "--udp", "53"], "one packet at a time"),
        (["web/one", "--to", "10.0.1.5", "--tcp", "70000"], "70000 is no port"),
        (["web/one", "--to", "10.0.1.5", "--ttl", "0"], "0 is no time to live"),
        (["web/one", "--to", "10.0.1.5", "--timeout", "0"], "no time to wait"),
        (["web/one", "--hex", "xyz"], "no hexadecimal digits"),
        (["web/one", "--to", "db/nobody"], "there is no"),
        (["web/nobody", "--to", "db/one"], "there is no port web/nobody"),
        (["web/one", "--to", "fd00::1"], "fd00::1 is no IPv4 address"),
        (["--auto", "nowhere"], "there is no switch nowhere"),
    ],
)
def test_wrong_questions(document: str, words: list[str], what: str) -> None:
    result = run("trace", *words, "-f", document)
    assert result.exit_code in (2, 3) and what in result.output, result.output


async def put(endpoint: str, *bound: str, alive: bool = True, host: str = "hv1") -> None:
    store = EtcdStore(Access((endpoint,)))
    try:
        await register(store, host, Ip.parse("192.0.2.1"), "test")
        network = (await View.load(store)).network
        ports = [network.find(Port, path) for path in bound]
        states = [Binding(port=port.id, host=host) for port in ports]
        await store.commit(put_all({key_of(one): encode(one) for one in states}))
        if alive and host == "hv1":
            await store.commit(put_all({key_of(Alive(host="hv1")): encode(Alive(host="hv1"))}))
    finally:
        await store.close()


def test_of_the_store(own_etcd: EtcdServer, document: str) -> None:
    assert run("--etcd", own_etcd.endpoint, "apply", "-f", document).exit_code == 0
    ask = ("--etcd", own_etcd.endpoint, "trace", "web/one", "--to", "db/one")
    nowhere = run(*ask)
    assert nowhere.exit_code == 4 and "port web/one lives on no host" in nowhere.output, nowhere.output
    asyncio.run(put(own_etcd.endpoint, "web/one", alive=False))
    dead = run(*ask)
    assert dead.exit_code == 4 and "is not alive: it can send nothing" in dead.output, dead.output
    unbound = run(*ask, "--what-if")
    assert unbound.exit_code == 3 and "lives on no host" in unbound.output, unbound.output
    asyncio.run(put(own_etcd.endpoint, "web/one", "db/one"))
    asyncio.run(put(own_etcd.endpoint, "web/two", host="gone"))
    several = run("--etcd", own_etcd.endpoint, "trace", "--auto", "web", "--timeout", "0.2")
    assert several.exit_code == 7, several.output
    assert "2 ways tried, 2 wrong" in several.output and "web/two → web/one (nothing, live)\nnot sent" in several.output
    assert "the agent of host gone, where port web/two is, is not alive" in several.output
    walked = run(*ask, "--what-if")
    assert walked.exit_code == 0 and "delivered to port db/one on hv1" in walked.output, walked.output


def test_hosts_that_say_nothing_are_named_and_nothing_is_left(own_etcd: EtcdServer, document: str) -> None:
    assert run("--etcd", own_etcd.endpoint, "apply", "-f", document).exit_code == 0
    asyncio.run(put(own_etcd.endpoint, "web/one", "db/one"))
    with answering(own_etcd.endpoint, "hv1"):  # it says that its switch is ready, and no more
        result = run("--etcd", own_etcd.endpoint, "trace", "web/one", "--to", "db/one", "--timeout", "0.3")
    assert result.exit_code == 7 and "unfinished: no report from hv1" in result.output, result.output
    assert asyncio.run(traces_in(own_etcd.endpoint)) == []


async def traces_in(endpoint: str) -> list[str]:
    store = EtcdStore(Access((endpoint,)))
    try:
        return [key for key in (await store.snapshot("/retia/v1/")).records if "trace" in key]
    finally:
        await store.close()
