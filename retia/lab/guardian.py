"""A lab's guardian: a child process that takes the lab away when the lab's own process is done, or dead.

It reads a pipe whose other end only the lab's process holds: the end of the pipe means `remove`, a byte before it
means the lab is to stay (`retia lab up`). It is the one way a lab ends, so every check tests it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from retia.errors import Fatal
from retia.lab.names import MARK, Place
from retia.lab.remove import remove

KEEP = b"k"


class Guardian:
    """The lab's side of the pipe."""

    def __init__(self, place: Place) -> None:
        read, self._write = os.pipe()
        self._place = place
        command = [sys.executable, "-m", "retia.lab.guardian", place.name]
        env = {name: value for name, value in os.environ.items() if name != MARK}
        env["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [env.get("PYTHONPATH")])])
        self._child = subprocess.Popen(command, stdin=read, env=env, cwd="/", start_new_session=True)
        os.close(read)

    def keep(self) -> None:
        """Leave the lab up and end."""
        os.write(self._write, KEEP)
        os.close(self._write)
        self._child.wait()

    def remove(self) -> None:
        """Take the lab away; returns when nothing is left of it. Raises Fatal when something is."""
        os.close(self._write)
        if self._child.wait():
            advice = f"`retia lab down {self._place.name}`"
            raise Fatal(f"lab {self._place.name} was not taken away wholly", where="lab", advice=advice)


def main(name: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if not os.read(0, 1):
        remove(Place(name))


if __name__ == "__main__":
    main(sys.argv[1])
