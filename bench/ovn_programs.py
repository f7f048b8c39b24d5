"""Where OVN's programs are: those installed, else Debian's packages unpacked into `build/ovn`, which starts nothing.

To install the packages would start OVN's services now and at every boot, and give the machine's own Open vSwitch a
controller. So the bench unpacks them beside itself; `make clean` removes them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("ovn-common", "ovn-central", "ovn-host")
PROGRAMS = ("ovn-northd", "ovn-controller", "ovn-nbctl", "ovn-sbctl", "ovn-appctl")
UNPACKED = Path(__file__).resolve().parents[1] / "build/ovn"
ADVICE = f"install them by hand (apt-get install {' '.join(PACKAGES)}), or run the bench where Debian's are reachable"


class Missing(Exception):
    """OVN is not here and could not be fetched; the text says why and what to do."""


@dataclass(frozen=True)
class Programs:
    path: str
    schemas: Path
    version: str


def find(unpacked: Path = UNPACKED) -> Programs:
    """Installed programs first. Raises Missing."""
    usual = f"/usr/sbin:/usr/bin:{os.environ.get('PATH', '')}"
    if all(shutil.which(name, path=usual) for name in PROGRAMS) and Path("/usr/share/ovn").is_dir():
        return _programs(usual, Path("/usr/share/ovn"))
    root = unpacked
    path = f"{root}/usr/bin:{root}/usr/sbin:{usual}"
    if not all(shutil.which(name, path=path) for name in PROGRAMS):
        print(f"bench: OVN is not installed; unpacking Debian's {', '.join(PACKAGES)} into {unpacked}", file=sys.stderr)
        unpack(root)
    return _programs(path, root / "usr/share/ovn")


def unpack(root: Path) -> None:
    """Download the packages and unpack them under `root`. Raises Missing."""
    root.mkdir(parents=True, exist_ok=True)
    command = ["apt-get", "download", "-qq", *PACKAGES]
    if _try(command, root) and (os.geteuid() != 0 or _try(["apt-get", "update", "-qq"], root)):
        raise Missing(f"OVN is not installed and cannot be downloaded: {_try(command, root)}; {ADVICE}")
    for package in [*root.glob("*.deb")] or _try_again(command, root):
        if problem := _try(["dpkg-deb", "-x", str(package), str(root)], root):
            raise Missing(f"{package.name} cannot be unpacked: {problem}; {ADVICE}")


def _try_again(command: Sequence[str], root: Path) -> list[Path]:
    """After the lists of packages were brought up to date."""
    if problem := _try(command, root):
        raise Missing(f"OVN is not installed and cannot be downloaded: {problem}; {ADVICE}")
    return [*root.glob("*.deb")]


def _try(command: Sequence[str], where: Path) -> str:
    """What a command complained of; nothing when it went well."""
    try:
        done = subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip()[-300:] or f"{command[0]} failed"


def _programs(path: str, schemas: Path) -> Programs:
    northd = shutil.which("ovn-northd", path=path) or "ovn-northd"
    said = subprocess.run([northd, "--version"], capture_output=True, text=True, check=False)
    if said.returncode:
        raise Missing(f"{northd} does not run: {said.stderr.strip()[-300:]}; {ADVICE}")
    return Programs(path, schemas, said.stdout.splitlines()[0].removeprefix("ovn-northd "))
