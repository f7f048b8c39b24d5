"""DOT text to SVG, by Graphviz's `dot` as a process of its own. Used by `retia graph` and by the pages of docs/."""

from __future__ import annotations

import subprocess

from retia.errors import Fatal, Timeout, Unsupported

PROGRAM = "dot"
PATIENCE = 60.0
"""Seconds after which a layout is given up."""


def svg(text: str, patience: float = PATIENCE) -> str:
    """Raises Unsupported without Graphviz, Timeout, or Fatal with what it says."""
    try:
        done = subprocess.run(
            [PROGRAM, "-Tsvg"], input=text.encode(), capture_output=True, timeout=patience, check=False
        )
    except (FileNotFoundError, PermissionError):
        advice = "install it (`apt-get install graphviz`), or take the text (`-o dot`) to where it is"
        raise Unsupported(f"Graphviz is not here: there is no program {PROGRAM!r}", advice=advice) from None
    except subprocess.TimeoutExpired:
        advice = "draw less: one project, one object's neighbourhood, or a lower --fold"
        raise Timeout(f"Graphviz had not laid it out after {patience:g} seconds", advice=advice) from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() or f"it ended with {done.returncode}"
        raise Fatal(f"Graphviz failed: {said}", advice="take the text (`-o dot`), and see which line it means")
    return done.stdout.decode()
