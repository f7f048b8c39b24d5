"""Retia as a process: what stands on standard error, and the exit code, when it cannot start."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.etcd import EtcdServer, free_port


def run(*words: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RETIA_")}
    command = [*prefix, sys.executable, "-m", "retia", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_no_endpoint() -> None:
    done = run("agent", "--tunnel-address", "192.0.2.1")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: etcd: no endpoint of etcd is given\n  set --etcd HOST:2379")


@contextlib.contextmanager
def agent(log: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "retia", *words[:2], "agent", "--tunnel-address", "192.0.2.1", *words[2:]]
    with log.open("wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        yield child
    finally:
        child.terminate()
        assert child.wait(20) in (0, -signal.SIGTERM)


def says(log: Path, *texts: str) -> None:
    end = time.monotonic() + 20
    while not all(text in log.read_text() for text in texts):
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)


def test_an_agent_waits_for_etcd_and_says_so_once(tmp_path: Path) -> None:
    etcd, log = EtcdServer(), tmp_path / "log"
    try:
        with agent(log, "--etcd", etcd.endpoint, "--ovs-run-dir", str(tmp_path)) as child:
            says(log, "waiting", "etcd does not answer", etcd.endpoint, "is it running")
            time.sleep(1.5)
            assert child.poll() is None and log.read_text().count("etcd does not answer") == 1
            etcd.start()
            says(log, f"{tmp_path}/db.sock", "start ovsdb-server")
            assert child.poll() is None
    finally:
        etcd.stop()


def test_a_question_does_not_wait_for_etcd() -> None:
    port = free_port()
    done = run("--etcd", f"127.0.0.1:{port}", "status")
    assert done.returncode == 5
    assert f"error: 127.0.0.1:{port}: etcd does not answer" in done.stderr and "is it running" in done.stderr


def test_no_tunnel_address(etcd: EtcdServer, tmp_path: Path) -> None:
    done = run("--etcd", etcd.endpoint, "agent", "--ovs-run-dir", str(tmp_path))
    assert done.returncode == 2 and "no tunnel address is given\n  set --tunnel-address" in done.stderr


def test_bad_tunnel_address(etcd: EtcdServer) -> None:
    done = run("--etcd", etcd.endpoint, "agent", "--tunnel-address", "nonsense")
    assert done.returncode == 2 and "'nonsense' is no IP address" in done.stderr


@pytest.mark.parametrize("words", [("agent", "--tunnel-address", "192.0.2.1"), ("lab", "check", "labs/demo.yaml")])
def test_not_root(words: tuple[str, ...]) -> None:
    read = "+dac_read_search"  # else root's own checkout could not be read
    nobody = ("setpriv", "--reuid=65534", "--clear-groups", f"--inh-caps={read}", f"--ambient-caps={read}")
    done = run("--etcd", "127.0.0.1:1", *words, prefix=nobody)
    assert done.returncode == 6 and "root" in done.stderr


def test_unknown_log_level() -> None:
    done = run("agent", "--log-level", "loud")
    assert done.returncode == 2 and "'loud' is no log level" in done.stderr


def test_retia_store_run(tmp_path: Path) -> None:
    """It serves, refuses a second one on its port, and stops when told."""
    port = free_port()
    words = [sys.executable, "-m", "retia", "store", "run", "--data-dir", str(tmp_path / "data"), "--port", str(port)]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert f"etcd serves at 127.0.0.1:{port}" in child.stdout.readline()
        assert run("--etcd", f"127.0.0.1:{port}", "get").returncode == 0
        second = run("store", "run", "--data-dir", str(tmp_path / "other"), "--port", str(port))
        assert second.returncode == 4 and f"port {port} is in use" in second.stderr
    finally:
        child.terminate()
        assert child.wait(20) == 0
    assert run("--etcd", f"127.0.0.1:{port}", "get").returncode == 5
