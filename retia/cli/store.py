"""`retia store`: a single-node etcd on loopback for one machine (`run`), and the users of an etcd (`auth`)."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from retia.cli.session import run, store_of
from retia.config import Settings
from retia.errors import Fatal, InvalidInput
from retia.store import backup, serve
from retia.store.access import Access
from retia.store.etcd import EtcdStore
from retia.store.roles import Roles

app = typer.Typer(help="The store: etcd.", no_args_is_help=True)


auth = typer.Typer(help="Users of etcd and what each may write: docs/security.md.", no_args_is_help=True)
app.add_typer(auth, name="auth")

Certificate = Annotated[bool, typer.Option(help="No password: a certificate whose name is the user's signs in.")]


@app.callback()
def _group() -> None:
    """The store: etcd."""


@app.command("run")
def run_store(
    data_dir: Annotated[Path, typer.Option(help="Where it keeps its data.")] = Path("/var/lib/retia/store"),
    port: Annotated[int, typer.Option(help="Port for clients; the next one is taken too.")] = 2379,
) -> None:
    """Run a single-node etcd on loopback until stopped. A cluster's etcd is run by its own means."""
    run(_run(serve.Place(data_dir, port)))


async def _run(place: serve.Place) -> None:
    place.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    child = await serve.start(place, place.data.parent / f"{place.data.name}.log")
    print(f"etcd serves at {place.endpoint}, its data is in {place.data}", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ended = asyncio.create_task(child.wait(), name="etcd")
    stopped = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await stopped
    if ended.done() and not stop.is_set():
        raise Fatal("etcd ended", where=str(place.data), advice=f"see {place.data}.log")
    await serve.stop(child)


@app.command("backup")
def write_backup(context: typer.Context, file: Path) -> None:
    """Write what is declared and allocated, as it is at one revision, to a file (for its owner's eyes)."""
    data = run(_capture(context.obj))
    new = file.with_name(f"{file.name}.new")
    try:
        new.touch(mode=0o600)
        new.write_bytes(data)
        new.replace(file)
    except OSError as error:
        raise InvalidInput(f"cannot be written: {error.strerror}", where=str(file), advice="choose another") from None
    print(f"{file}: {backup.read(data, str(file)).objects} objects")


async def _capture(settings: Settings) -> bytes:
    async with store_of(settings) as store:
        return await backup.capture(store)


@app.command("restore")
def restore(
    context: typer.Context,
    file: Path,
    replace: Annotated[bool, typer.Option(help="Also where something is declared: what is not in it goes.")] = False,
) -> None:
    """Make the store what a backup says. What is equal is not touched."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}", where=str(file), advice="check its name") from None
    copy = backup.read(data, str(file))
    written, gone = run(_restore(context.obj, copy, replace))
    print(f"{copy.objects} objects are as in {file}: {written} records written, {gone} deleted")


async def _restore(settings: Settings, copy: backup.Copy, replace: bool) -> tuple[int, int]:
    async with store_of(settings) as store:
        return await backup.restore(store, copy, replace)


@auth.command("enable")
def enable(context: typer.Context) -> None:
    """Make the user root with the password of the settings (etcd_user, etcd_password); from now on all sign in."""
    settings: Settings = context.obj
    if settings.etcd_user != "root" or not settings.etcd_password:
        advice = "set RETIA_ETCD_USER=root and RETIA_ETCD_PASSWORD; keep the password: root alone gives rights"
        raise InvalidInput("etcd wants a user root, with a password", where="etcd_user", advice=advice)
    run(_change(msgspec.structs.replace(settings, etcd_user="", etcd_password=""), "enable", settings.etcd_password))
    print("etcd asks everyone for a user now; `retia store auth agent HOST` and `operator NAME` make them")


@auth.command("agent")
def agent(context: typer.Context, host: str, certificate: Certificate = False) -> None:
    """Give a host's agent its user, which reads all and writes what is the agent's own. Again: a new password."""
    password = "" if certificate else secrets.token_urlsafe(24)
    _tell(run(_change(context.obj, "agent", host, password)), password)


@auth.command("operator")
def operator(context: typer.Context, name: str, certificate: Certificate = False) -> None:
    """Give a user the right to declare networks. Again: a new password."""
    password = "" if certificate else secrets.token_urlsafe(24)
    run(_change(context.obj, "operator", name, password))
    _tell(name, password)


@auth.command("remove")
def remove(context: typer.Context, host: str) -> None:
    """Take the user of a host's agent away."""
    run(_change(context.obj, "remove", host))
    print(f"the agent of {host} has no right any more")


def _tell(user: str, password: str) -> None:
    print(f"etcd_user: {user}")
    if password:
        print(f"etcd_password: {password}")


async def _change(settings: Settings, what: str, *given: str) -> Any:
    store = EtcdStore(Access.of(settings))
    try:
        return await getattr(Roles(store), what)(*given)
    finally:
        await store.close()
