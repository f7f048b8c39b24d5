"""etcd with TLS, users and roles: who may write what is tried, and each refusal says what to do."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from retia.errors import NotFound, Retry, StoreRefused
from retia.model.kinds import Port
from retia.model.state import Alive, Applied, Binding, HostProblem, HostState
from retia.store import schema
from retia.store.contract import INDEX, Transaction
from retia.store.etcd import Access, EtcdStore
from retia.store.host import HostAgent, register
from retia.store.index import address_key
from retia.store.partial import PartialSync
from retia.store.records import OBJECTS, encode, key_of
from retia.store.roles import Roles
from retia.values import Ip
from tests.contract.store.test_partial import WEB, bound, port, put
from tests.etcd import EtcdServer

# -- users and roles -----------------------------------------------------------------------------------------------


class Guarded:
    """A server with authentication on, and users for two hosts and an operator; root's store is open."""

    def __init__(self, server: EtcdServer) -> None:
        self.server, self.open = server, []

    def store(self, user: str, password: str) -> EtcdStore:
        self.open.append(EtcdStore(Access((self.server.endpoint,), user, password)))
        return self.open[-1]

    async def begin(self) -> None:
        plain = self.store("", "")
        await schema.check(plain)
        await Roles(plain).enable("secret")
        self.root = self.store("root", "secret")
        for host in ("hv1", "hv2"):
            await Roles(self.root).agent(host, f"{host}-password")
        await Roles(self.root).operator("ann", "ann-password")
        self.hv1 = self.store("retia-agent-hv1", "hv1-password")


@pytest.fixture
async def guarded(own_etcd: EtcdServer) -> AsyncIterator[Guarded]:
    made = Guarded(own_etcd)
    await made.begin()
    yield made
    for store in made.open:
        await store.close()


OTHERS = {
    key_of(HostState(host="hv2", key=7, tunnel=Ip.parse("192.0.2.2"))): b"{}",
    key_of(Alive(host="hv2")): encode(Alive(host="hv2")),
    key_of(Applied(host="hv2", revision=1)): b"{}",
    key_of(HostProblem(host="hv2", about="x", what="x")): b"{}",
    key_of(HostProblem(host="hv10", about="x", what="x")): b"{}",
    key_of(Alive(host="hv10")): b"{}",
    f"{OBJECTS}port/x": b"{}",
    f"{INDEX}key/host/9": b"hv1",
    f"{INDEX}name/switch/default/web": b"x",
    "/retia/v1/data/barrier": b"{}",
    "/retia/v1/version": b"9",
    "/elsewhere": b"x",
}


@pytest.mark.parametrize("key", OTHERS)
async def test_an_agent_that_tries_to_write_what_is_not_its_own(guarded: Guarded, key: str) -> None:
    for forged in (Transaction(puts={key: OTHERS[key]}), Transaction(deletes={key})):
        with pytest.raises(StoreRefused, match=f"retia-agent-hv1 is too weak to write {key}") as error:
            await guarded.hv1.commit(forged)
        assert "retia store auth" in error.value.advice
    assert key == "/retia/v1/version" or await guarded.root.get(key) is None


async def test_an_agent_does_all_its_work_with_its_role(guarded: Guarded) -> None:
    state = await register(guarded.hv1, "hv1", Ip.parse("192.0.2.1"), "1")
    assert await register(guarded.hv1, "hv1", Ip.parse("192.0.2.9"), "1") != state
    agent = HostAgent(guarded.hv1, "hv1", 2)
    living = asyncio.create_task(agent.run())
    async with asyncio.timeout(5):
        while await guarded.hv1.get(key_of(Alive(host="hv1"))) is None:
            await asyncio.sleep(0.02)
    assert (await agent.claim("p", "a")).host == "hv1"
    await agent.release("p")
    await agent.applied(7)
    problem = HostProblem(host="hv1", about="x", what="x")
    await agent.report({"x": problem})
    await agent.report({})
    living.cancel()
    await asyncio.gather(living, return_exceptions=True)
    assert await guarded.hv1.get(key_of(Alive(host="hv1"))) is None, "it let its lease go"


async def test_an_on_demand_agent_reads_all_it_needs_with_its_role(guarded: Guarded) -> None:
    await put(guarded.root, WEB, port(1), port(2), bound(1, "hv2"), bound(2, "hv1"))
    sync = PartialSync(guarded.hv1, "hv1")
    sync.plug([], True, lambda: None)
    sync.want(address_key("s", port(1).addresses[0]))
    await sync.first()
    assert {(Port.kind, "id1"), (Port.kind, "id2"), (Binding.kind, "id1")} <= set(sync.view)


async def test_an_operator_declares_and_gives_no_rights(guarded: Guarded) -> None:
    ann = guarded.store("ann", "ann-password")
    await ann.commit(Transaction(puts={f"{OBJECTS}port/x": b"{}"}))
    with pytest.raises(StoreRefused, match="permission denied"):
        await Roles(ann).agent("hv3", "x")


async def test_a_host_whose_agent_has_no_user_is_named(guarded: Guarded) -> None:
    await Roles(guarded.root).remove("hv2")
    for host in ("hv2", "hv9"):
        with pytest.raises(NotFound, match=f"the agent of {host} has no user at etcd") as error:
            await Roles(guarded.root).remove(host)
        assert "user list" in error.value.advice
    with pytest.raises(StoreRefused):
        await Roles(guarded.hv1).remove("hv1")


async def test_a_token_that_etcd_forgot_is_renewed(guarded: Guarded) -> None:
    await guarded.hv1.commit(Transaction(puts={key_of(Alive(host="hv1")): b"1"}))
    guarded.server.halt()
    guarded.server.start()
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(Retry):
                await guarded.hv1.commit(Transaction(puts={key_of(Alive(host="hv1")): b"2"}))
                break
            await asyncio.sleep(0.1)


async def test_a_wrong_password_and_no_user_at_all(guarded: Guarded) -> None:
    with pytest.raises(StoreRefused, match="no user retia-agent-hv1 with this password"):
        await guarded.store("retia-agent-hv1", "wrong").get("/a")
    with pytest.raises(StoreRefused, match="wants a user"):
        await guarded.store("", "").get("/a")


async def test_a_user_taken_away_is_refused(guarded: Guarded) -> None:
    await guarded.hv1.get("/retia/v1/version")
    await Roles(guarded.root).remove("hv1")
    with pytest.raises(StoreRefused):
        await guarded.hv1.get("/retia/v1/version")


async def test_bindings_are_every_agents_as_the_page_says(guarded: Guarded) -> None:
    """The one key that several may write: docs/security.md says so and why."""
    binding = Binding(port="p", host="hv1")
    await guarded.hv1.commit(Transaction(puts={key_of(binding): encode(binding)}))


# -- TLS -----------------------------------------------------------------------------------------------------------


class Authority:
    """A CA of the test's own, by the openssl command."""

    def __init__(self, directory: Path, name: str) -> None:
        self.dir, self.name = directory, name
        self._run("req", "-x509", *_NEW, "-keyout", f"{name}.key", "-out", self.file, "-subj", f"/CN={name}")

    @property
    def file(self) -> str:
        return str(self.dir / f"{self.name}.crt")

    def _run(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.dir, check=True, capture_output=True)

    def issue(self, name: str, alternative: str, days: int = 2) -> tuple[str, str]:
        """The files of a certificate and its key."""
        self._run("req", *_NEW, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (self.dir / f"{name}.ext").write_text(f"subjectAltName={alternative}\n")
        self._run(
            "x509", "-req", "-in", f"{name}.csr", "-CA", self.file, "-CAkey", f"{self.name}.key", "-CAcreateserial",
            "-out", f"{name}.crt", "-days", str(days), "-extfile", f"{name}.ext",
        )  # fmt: skip
        return str(self.dir / f"{name}.crt"), str(self.dir / f"{name}.key")


_NEW = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "ca")


@pytest.fixture
def secured(authority: Authority) -> Iterator[EtcdServer]:
    """It takes whoever has a certificate of the same CA."""
    server = EtcdServer(tls=(*authority.issue("server", "IP:127.0.0.1"), authority.file))
    try:
        yield server.start()
    finally:
        server.stop()


async def refused(access: Access) -> StoreRefused:
    store = EtcdStore(access)
    try:
        with pytest.raises(StoreRefused) as error:
            await store.get("/a")
        assert error.value.where and error.value.advice
        return error.value
    finally:
        await store.close()


async def test_mutual_tls_and_what_is_wrong_with_certificates(secured: EtcdServer, authority: Authority) -> None:
    where, ca = (secured.endpoint,), authority.file
    good = authority.issue("client", "DNS:client")
    store = EtcdStore(Access(where, "", "", ca, *good))
    await store.commit(Transaction(puts={"/a": b"1"}))
    await store.close()
    other = Authority(authority.dir, "other")
    strange, old = other.issue("strange", "DNS:client"), authority.issue("old", "DNS:client", days=-1)
    said = {
        "wants a certificate": Access(where, "", "", ca),
        "refuses our certificate .*strange": Access(where, "", "", ca, *strange),
        "refuses our certificate .*old": Access(where, "", "", ca, *old),
        "of an unknown CA": Access(where, "", "", other.file, *good),
        "no etcd_ca is set": Access(where),
        "no such file": Access(where, "", "", f"{ca}.gone", *good),
        "another certificate's": Access(where, "", "", ca, good[0], old[1]),
    }
    for words, access in said.items():
        error = await refused(access)
        assert re.search(words, error.what), error


@pytest.mark.parametrize(
    ("alternative", "days", "what"), [("DNS:elsewhere", 2, "another name"), ("IP:127.0.0.1", -1, "has expired")]
)
async def test_etcds_own_certificate(authority: Authority, alternative: str, days: int, what: str) -> None:
    server = EtcdServer(tls=(*authority.issue("bad", alternative, days), authority.file))
    try:
        server.start()
        access = Access((server.endpoint,), "", "", authority.file, *authority.issue("client", "DNS:client"))
        assert what in (await refused(access)).what
    finally:
        server.stop()


async def test_tls_to_an_etcd_without(etcd: EtcdServer, authority: Authority) -> None:
    assert "no TLS is spoken there" in (await refused(Access((etcd.endpoint,), "", "", authority.file))).what


async def test_renewed_files_are_read_anew(secured: EtcdServer, authority: Authority) -> None:
    own = authority.issue("renewed", "DNS:client", days=-1)
    store = EtcdStore(Access((secured.endpoint,), "", "", authority.file, *own))
    with pytest.raises(StoreRefused):
        await store.get("/a")
    authority.issue("renewed", "DNS:client")
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(Retry):
                await store.get("/a")
                break
    await store.close()
