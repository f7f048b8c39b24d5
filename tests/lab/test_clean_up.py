"""However a lab ends, nothing of it is left: no process, no namespace (and so no link), no file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from retia.errors import Conflict, InvalidDocument, NotFound
from retia.lab import commands
from retia.lab.names import MARK, Place

LAB = """
lab: {name}
hosts: [hv1, hv2]
guests: {{a: {{host: hv1, port: web/a}}, b: {{host: hv2, port: web/b}}}}
network: {{switches: {{web: {{subnets: {{web4: {{cidr: 10.0.0.0/24}}}}, ports: {{a: {{}}, b: {{}}}}}}}}}}
checks: [{{wait: {wait}}}]
"""
PROGRAM = "import sys; from pathlib import Path; from retia.lab import commands; commands.check(Path(sys.argv[1]))"


def left(name: str) -> list[str]:
    """What the machine still has of a lab."""
    place = Place(name)
    found = [*place.namespaces(), *([str(place.dir)] if place.dir.exists() else [])]
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and f"{MARK}={name}.".encode() in (process / "environ").read_bytes():
                found.append(f"process {process.name}")
        except OSError:
            continue
    return found


def gone(name: str) -> list[str]:
    end = time.monotonic() + 15
    while (found := left(name)) and time.monotonic() < end:
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
@pytest.mark.parametrize("after", [0.0, 0.3, 0.8, 6.0], ids=["just claimed", "links", "switches", "up"])
def test_a_lab_whose_process_ends(tmp_path: Path, how: signal.Signals, after: float) -> None:
    file = tmp_path / "ended.yaml"
    file.write_text(LAB.format(name="ended", wait=60))
    child = subprocess.Popen([sys.executable, "-c", PROGRAM, str(file)], stderr=subprocess.DEVNULL)
    name = f"ended-{child.pid}"
    try:
        wait_for(Place(name).file.exists)
        if after >= 5:
            wait_for(lambda: len(left(name)) > 12)  # directory, 5 namespaces, etcd, switches and agents
        else:
            time.sleep(after)
        child.send_signal(how)
        assert child.wait(20)
        assert gone(name) == []
    finally:
        child.kill()
        child.wait()


def wait_for(ready) -> None:
    end = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_up_stays_until_down(tmp_path: Path) -> None:
    name = f"stays-{os.getpid()}"
    file = tmp_path / "stays.yaml"
    file.write_text(LAB.format(name=name, wait=0))
    lab = commands.up(file)
    try:
        assert lab.name == name
        assert [row.state for row in commands.labs() if row.name == name] == ["up"]
        with pytest.raises(Conflict):
            commands.up(file)
        address = str(lab.address_of("b"))
        assert commands.execute(name, "a", ["ping", "-c", "1", "-W", "2", address]) == 0
        assert commands.execute(name, "hv1", ["sh", "-c", "ovs-vsctl br-exists br-int"]) == 0
        assert commands.check_again(name).ok
        with pytest.raises(NotFound):
            commands.execute(name, "c", ["true"])
    finally:
        commands.down(name)
    assert left(name) == []
    with pytest.raises(NotFound):
        commands.down(name)


def test_what_a_dead_lab_and_guardian_left_is_taken_away_by_down(tmp_path: Path) -> None:
    name = f"dead-{os.getpid()}"
    file = tmp_path / "dead.yaml"
    file.write_text(LAB.format(name=name, wait=0))
    commands.up(file)
    Place(name).file.unlink()  # not even its own record is needed
    assert [row.state for row in commands.labs() if row.name == name] == ["left over"]
    commands.down(name)
    assert left(name) == []


def test_a_lab_that_cannot_come_up_leaves_nothing(tmp_path: Path) -> None:
    name = f"wrong{os.getpid()}"
    file = tmp_path / "wrong.yaml"
    file.write_text(f"lab: {name}\nhosts: [hv1]\nnetwork: {{routers: {{r: {{ports: {{p: {{switch: nowhere}}}}}}}}}}\n")
    with pytest.raises(InvalidDocument, match="nowhere"):
        commands.check(file)
    assert not [row.name for row in commands.labs() if row.name.startswith(name)]
