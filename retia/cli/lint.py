"""`retia lint`: what is wrong with documents, without a store: they are taken to be applied to nothing, in order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retia.cli.apply import read
from retia.cli.output import Form, show_data
from retia.cli.session import Output
from retia.errors import InvalidDocument, Problem
from retia.model.network import Network
from retia.store import catalog
from retia.store.view import View


def lint(
    files: Annotated[list[Path], typer.Argument(help="Documents; each may build on those before it. - for input.")],
    output: Output = Form.table,
) -> None:
    """Say what `apply` would refuse, of documents alone: no store is asked. `plan` also knows what is there."""
    network, told, problems = Network(), list[dict[str, object]](), list[Problem]()
    for file in files:
        try:
            document = read(file)
            changes = catalog.plan(View(network), document)
        except InvalidDocument as error:
            problems += error.problems
            continue
        network = network.copy()
        for _, item in changes.objects:
            if item is not None:
                network.put(item)
        told.append({"file": str(file), "document": document.name, "objects": len(document.wanted)})
    if problems:
        raise InvalidDocument(problems)
    if output is not Form.table:
        show_data(told, output)
        return
    for one in told:
        print(f"{one['file']}: document {one['document']}, {one['objects']} objects, no problem")
