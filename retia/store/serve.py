"""`retia store run`: a single-node etcd on loopback with its data in one directory, as a child of this process.

For labs, the demo and one machine. A cluster's etcd is run by its own means; its endpoints are one setting.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from retia.errors import Conflict, Fatal, Retry, Unsupported
from retia.store.etcd import Access, EtcdStore

MAX_OPERATIONS = 20_000
PATIENCE = 15.0


@dataclass(frozen=True)
class Place:
    data: Path
    port: int = 2379
    address: str = "127.0.0.1"

    @property
    def endpoint(self) -> str:
        return f"{self.address}:{self.port}"


def command(place: Place) -> list[str]:
    """The command line of etcd. Raises Unsupported when it is not installed."""
    etcd = shutil.which("etcd", path=f"/usr/sbin:/usr/bin:{os.environ.get('PATH', '')}")
    if etcd is None:
        raise Unsupported("etcd is not installed", where="store run", advice="apt-get install etcd-server")
    url = f"http://{place.endpoint}"
    peer = f"http://{place.address}:{place.port + 1}"
    options = {
        "name": "retia",
        "data-dir": place.data,
        "listen-client-urls": url,
        "advertise-client-urls": url,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"retia={peer}",
        "max-txn-ops": MAX_OPERATIONS,
        "max-request-bytes": 32 << 20,
        "auto-compaction-mode": "revision",
        "auto-compaction-retention": 10000,
        "logger": "zap",
        "log-outputs": "stderr",
    }
    return [etcd, *(f"--{name}={value}" for name, value in options.items())]


async def start(place: Place, log: Path) -> asyncio.subprocess.Process:
    """Start etcd and wait until it serves. Raises Conflict for a port or directory in use, Fatal else."""
    _check_ports(place)
    place.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("ab") as out:
        child = await asyncio.create_subprocess_exec(*command(place), stdout=out, stderr=out, start_new_session=True)
    try:
        await _wait_until_it_serves(place, child, log)
    except BaseException:
        await stop(child)
        raise
    return child


def _check_ports(place: Place) -> None:
    """Before etcd tries: else another etcd there would be taken for ours."""
    for port in (place.port, place.port + 1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((place.address, port))
            except OSError as error:
                what = f"port {port} is in use" if error.errno == errno.EADDRINUSE else f"port {port}: {error.strerror}"
                raise Conflict(what, where=place.endpoint, advice="choose another with --port") from None


async def _wait_until_it_serves(place: Place, child: asyncio.subprocess.Process, log: Path) -> None:
    store = EtcdStore(Access((place.endpoint,)))
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                if child.returncode is not None:
                    raise _why_it_ended(place, log)
                with contextlib.suppress(Retry):
                    await store.get("/")
                    if child.returncode is None:
                        return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise Fatal(f"etcd does not serve within {PATIENCE:g} s", where=str(log), advice="look there") from None
    finally:
        await store.close()


def _why_it_ended(place: Place, log: Path) -> Exception:
    text = log.read_text(errors="replace")[-4000:]
    if "address already in use" in text:
        return Conflict(f"port {place.port} is in use", where=place.endpoint, advice="choose another with --port")
    if "cannot lock" in text or "resource temporarily unavailable" in text:
        return Conflict("another etcd uses this directory", where=str(place.data), advice="choose another --data-dir")
    return Fatal("etcd ended at once", where=str(log), advice="look there for its reason")


async def stop(child: asyncio.subprocess.Process) -> None:
    """End it cleanly, by its pid."""
    if child.returncode is None:
        child.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(5.0):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()
