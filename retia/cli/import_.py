"""`retia import tuplenet`: the network of a TupleNet etcd as a Retia document. Writes nothing to that etcd.

What could not be translated is told on standard error, record by record, and by the exit code.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

from retia.cli.session import run
from retia.errors import InvalidInput, NotFound, StoreAway, StoreRefused
from retia.model.document import parse
from retia.model.kinds import DEFAULT_PROJECT
from retia.model.names import check_name
from retia.model.network import Network
from retia.model.writing import write
from retia.store import catalog
from retia.store.contract import Snapshot
from retia.store.etcd import Access, EtcdStore
from retia.store.view import View
from retia.tuplenet import report
from retia.tuplenet.reading import check_version, read
from retia.tuplenet.settle import Outcome, settle

NOT_ALL = 8
"""The exit code when a document was written, and something was set aside."""

app = typer.Typer(help="Networks of others as Retia documents.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Networks of others as Retia documents."""


@app.command("tuplenet")
def tuplenet(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="TupleNet's etcd: HOST:PORT[,HOST:PORT...].")],
    prefix: Annotated[str, typer.Option(help="Where its tree is in that etcd.")] = "/tuplenet",
    out: Annotated[Path | None, typer.Option("--out", help="Write the document there, not to standard output.")] = None,
    document: Annotated[str, typer.Option(help="The document's name.")] = "tuplenet",
    project: Annotated[str, typer.Option(help="The project its objects belong to.")] = DEFAULT_PROJECT,
    iface_ids: Annotated[
        Path | None,
        typer.Option(help="Also write a table of HOST, TupleNet's iface-id and Retia's there, for the hosts."),
    ] = None,
    user: Annotated[str, typer.Option(envvar="RETIA_IMPORT_USER", help="User at that etcd.")] = "",
    password: Annotated[str, typer.Option(envvar="RETIA_IMPORT_PASSWORD", help="Password of that user.")] = "",
    ca: Annotated[str, typer.Option(help="File with the CA of that etcd's certificate; turns TLS on.")] = "",
    cert: Annotated[str, typer.Option(help="File with a certificate for that etcd.")] = "",
    key: Annotated[str, typer.Option(help="File with the key of that certificate.")] = "",
) -> None:
    """Write the network of a TupleNet etcd as a document. Exit 0: all of it; 8: written, but something was set aside.

    The report goes to standard error. Nothing is written to that etcd.
    """
    gc.disable()  # one answer, then the end
    for name in (document, project):
        check_name(name)
    endpoints = tuple(part.strip() for part in endpoint.split(",") if part.strip())
    root = f"{prefix.rstrip('/')}/"
    snapshot = run(_snapshot(Access(endpoints, user, password, ca, cert, key), root))
    where = f"{', '.join(endpoints)} {root}"
    outcome = _translate(snapshot, root, where, project)
    text = _document(outcome, document, project, f"{where} at revision {snapshot.revision}")
    if iface_ids is not None:
        _write(iface_ids, "".join(f"{row}\n" for row in report.iface_ids(outcome, project)))
    if out is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        _write(out, text)
    print(f"{where} at revision {snapshot.revision}:", file=sys.stderr)
    for line in report.lines(outcome, root):
        print(line, file=sys.stderr)
    if outcome.aside:
        raise typer.Exit(NOT_ALL)


async def _snapshot(access: Access, prefix: str) -> Snapshot:
    """All of the tree at one revision. Raises StoreAway, StoreRefused."""
    store = EtcdStore(access)
    try:
        return await store.snapshot(prefix)
    except StoreAway as error:
        raise StoreAway(error.what, where=error.where, advice="is it running, and is the endpoint right?") from None
    except StoreRefused as error:
        advice = "see --user, --ca, --cert and --key; reading the prefix is all that is needed"
        raise StoreRefused(error.what, where=error.where, advice=advice) from None
    finally:
        await store.close()


def _translate(snapshot: Snapshot, prefix: str, where: str, project: str) -> Outcome:
    """Raises Unsupported for a tree of another version, NotFound where there is none."""
    tree = read({key.removeprefix(prefix): record.value for key, record in snapshot.records.items()})
    check_version(tree, where)
    if not tree.entities and not tree.problems:
        advice = "is --prefix right? It is what tpctl is given as --prefix, /tuplenet by default"
        raise NotFound("there is no network of TupleNet here", where=where, advice=advice)
    return settle(tree, project)


def _document(outcome: Outcome, name: str, project: str, source: str) -> str:
    """The text, proven to be what `retia apply` takes. Raises InvalidDocument."""
    comment = [f"Made by `retia import tuplenet` from {source}.", *report.summary(outcome)]
    text = write(outcome.objects.network, name, project, comment)
    catalog.plan(View(Network()), parse(text, "the document"))
    return text


def _write(file: Path, text: str) -> None:
    new = file.with_name(f"{file.name}.new")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(file)
    except OSError as error:
        raise InvalidInput(f"cannot be written: {error.strerror}", where=str(file), advice="choose another") from None
