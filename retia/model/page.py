"""docs/document.md, written from the kinds: what a user may write, in which section, and what it means.

`make docs` writes the page, a test compares it. Pure.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from retia.model.document import VERSION
from retia.model.kinds import DEFAULT_PROJECT, KINDS, Object
from retia.model.names import LONGEST
from retia.model.shapes import ALLOCATED, Field, fields, nested

EXAMPLE = """\
retia: 1
document: demo
switches:
  web:
    subnets: {web4: {cidr: 10.0.1.0/24, gateway: 10.0.1.1, pool: [10.0.1.10-10.0.1.99]}}
    ports: {web1: {addresses: 10.0.1.11, mac: 02:00:00:00:01:11}, web2: {}}
  db:
    mtu: 1400
    subnets: {db4: {cidr: 10.0.2.0/24, gateway: 10.0.2.1}}
    ports: {db1: {}}
routers:
  r1:
    ports: {to-web: {switch: web}, to-db: {switch: db}}
    routes: {out: {prefix: 0.0.0.0/0, next_hop: 10.0.1.254}}
"""

_HEAD = f"""\
# The document

Generated from `retia/model/kinds.py` by `make docs`.

What `retia apply -f FILE` reads. One YAML file is one document:

```yaml
{EXAMPLE}```

| at the top | | |
|---|---|---|
| `retia` | required | version of this format: {VERSION} |
| `document` | required | its name; objects remember which document declared them |
| `project` | `{DEFAULT_PROJECT}` | the project its objects belong to; hosts and projects belong to none |

- **Applying** creates what is missing and changes what differs; applied twice, the second time writes nothing.
  A field left out has its default. A MAC or address left out is chosen once and then kept.
- **What is not in the document** is left alone. With `--prune`, what the same document declared before and no longer
  does is deleted; what other documents or hands declared never is. An object made by hand that a document declares
  becomes the document's; one of another document is a conflict.
- **All problems** of a document are told together, each with file, line, YAML path and advice, first those of the text
  and, once it can be read, those between objects. Nothing is written unless all is well.
- **Names** have up to {LONGEST} letters, digits, `-`, `_` and `.`, a letter or digit first, and are unique per kind in
  what they live in: two switches may each have a port `web1`.
- **A list** of one may be written without brackets. YAML's merge keys (`<<`) are not read; anchors are.
- What lives in a switch or router may also be written in a section at the top, by its whole name
  (`ports: {{web/web3: {{}}}}`), to add to what another document declares.
- IPv6 is understood and refused: it is not carried yet.

A change that fits into one etcd transaction is one; a larger one is written in several, parents first, and applying
the document again completes one that was cut off.
"""


def render() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(line for kind in KINDS for line in _section(kind))]) + "\n"


def _section(kind: type[Object]) -> Iterator[str]:
    yield f"## {kind.kind}"
    yield ""
    yield inspect.cleandoc(kind.__doc__ or "")
    yield ""
    yield f"Section {_place(kind)}." + (f" Holds {_holds(kind)}." if nested(kind) else "")
    yield ""
    if fields(kind):
        yield "| field | is a | default | |"
        yield "|---|---|---|---|"
        yield from (_row(field) for field in fields(kind).values())
        yield ""


def _place(kind: type[Object]) -> str:
    if not kind.parent:
        return f"`{kind.plural}`"
    inner = next(name for parent in KINDS for name, child in nested(parent).items() if child is kind)
    return f"`{inner}` of a {kind.parent}, or `{kind.plural}` with names {kind.parent.upper()}/NAME"


def _holds(kind: type[Object]) -> str:
    return " and ".join(f"`{name}`" for name in nested(kind))


def _row(field: Field) -> str:
    default = "required" if field.required else "chosen" if field.name in ALLOCATED else _default(field)
    form = f"list of {field.form.word}" if field.many else field.form.word
    return f"| `{field.name}` | {form}, as in `{field.form.example}` | {default} | {field.doc} |"


def _default(field: Field) -> str:
    if field.default is None or field.default == ():
        return "none"
    return f"`{str(field.default).lower()}`"
