"""A private etcd on loopback for tests, stopped by pid. `halt` and `start` again keep its data."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from retia.store.serve import Place, command


def free_port() -> int:
    """A port such that it and the next one are free (etcd takes the second for its peers)."""
    for _ in range(50):
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                two.bind(("127.0.0.1", port + 1))
                return port
    raise RuntimeError("no two free ports in a row")


class EtcdServer:
    """With `tls` (certificate, key, CA of clients) it wants a certificate of everyone. `options` are flags of etcd."""

    def __init__(self, tls: tuple[str, str, str] | None = None, options: tuple[str, ...] = ()) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="retia-etcd-")
        self.dir = Path(self._temporary.name)
        self.place = Place(self.dir / "data", free_port())
        self.endpoint = self.place.endpoint
        self._child: subprocess.Popen | None = None
        self._tls, self._options = tls, options

    def start(self) -> EtcdServer:
        log = (self.dir / "etcd.log").open("ab")
        self._child = subprocess.Popen(
            [*command(self.place), *self._more()], stdout=log, stderr=log, start_new_session=True
        )
        end = time.monotonic() + 15
        while time.monotonic() < end:
            if self._serves():
                return self
            time.sleep(0.02)
        raise TimeoutError((self.dir / "etcd.log").read_text()[-2000:])

    def _more(self) -> list[str]:
        if self._tls is None:
            return list(self._options)
        certificate, key, ca = self._tls
        url = f"https://{self.endpoint}"
        files = [f"--cert-file={certificate}", f"--key-file={key}", "--client-cert-auth", f"--trusted-ca-file={ca}"]
        return [*files, f"--listen-client-urls={url}", f"--advertise-client-urls={url}", *self._options]

    def _serves(self) -> bool:
        with contextlib.suppress(OSError):
            if self._tls is not None:
                socket.create_connection((self.place.address, self.place.port), timeout=1).close()
                return True
            with urllib.request.urlopen(f"http://{self.endpoint}/health", timeout=1) as answer:
                return b"true" in answer.read()
        return False

    def halt(self) -> None:
        """Stop, keep the data."""
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGKILL)
            self._child.wait(10)

    def stop(self) -> None:
        self.halt()
        with contextlib.suppress(OSError):
            self._temporary.cleanup()
