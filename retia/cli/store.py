"""`retia store run`: a single-node etcd on loopback, for labs, the demo and one machine."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Annotated

import typer

from retia.cli.session import run
from retia.errors import Fatal
from retia.store import serve

app = typer.Typer(help="The store: etcd.", no_args_is_help=True)


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
