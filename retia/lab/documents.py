"""A Retia document inside a lab file: written there, or named by its path. Its head may be left out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from retia.errors import InvalidDocument
from retia.lab.reader import Reader, Spot, Wrong
from retia.model import document
from retia.model.document import Document

NAME = "lab"
_HEAD = {"retia": str(document.VERSION), "document": NAME}


@dataclass(frozen=True)
class Declared:
    document: Document

    @classmethod
    def read(cls, reader: Reader, spot: Spot) -> Declared:
        try:
            if isinstance(spot.node, yaml.MappingNode):
                return cls(document.parse_node(_with_head(spot.node), reader.file))
            path = Path(reader.file).parent / (spot.text or "")
            return cls(document.parse(path.read_text(encoding="utf-8"), str(path)))
        except InvalidDocument as error:
            reader.problems += [(spot.line, problem) for problem in error.problems]
            raise Wrong from None
        except (OSError, UnicodeDecodeError):
            advice = "write the network here, or the path to a document, from this file's directory"
            raise reader.wrong(spot, f"cannot read {spot.text!r}", advice) from None


def _with_head(node: yaml.MappingNode) -> yaml.MappingNode:
    """The same with version and name where they are left out."""
    given = {key.value for key, _ in node.value}
    mark = node.start_mark
    head = [
        (yaml.ScalarNode("tag:yaml.org,2002:str", name, mark), yaml.ScalarNode("tag:yaml.org,2002:str", text, mark))
        for name, text in _HEAD.items()
        if name not in given
    ]
    return yaml.MappingNode(node.tag, [*head, *node.value], mark, node.end_mark)
