"""Documents as YAML, the same bytes for the same document, and the same document for every reader.

Readers do not agree on what a word without quotes is. Kubernetes' and Compose's take ``y`` and ``n`` for truths, as YAML 1.1
says (https://yaml.org/type/bool.html), and ``1e3`` for a number, as YAML 1.2 says; PyYAML takes all three for text and writes
them bare. So a text stands in quotes unless every reader would take it for one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

Document = Mapping[str, Any]

_PLAIN = re.compile(r"(--|/)?[A-Za-z].*", re.DOTALL)
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"))


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML ships no types
    """Quotes what another reader could take for something else, and writes out what occurs twice."""

    def ignore_aliases(self, data: object) -> bool:
        """Anchors are YAML's, not JSON's, and no joy to read."""
        del data
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    if not text.isprintable():  # in single quotes a reader folds some of Unicode's line ends
        style: str | None = '"'
    else:
        style = None if _PLAIN.fullmatch(text) and text.casefold() not in _WORDS else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def yaml_text(documents: Sequence[Document], heading: str) -> str:
    """YAML of one document or several, keys in their order.

    Args:
        documents: of plain mappings, lists, texts, numbers and truths.
        heading: of one or more lines, which become comments.
    """
    comment = "".join(f"# {line}".rstrip() + "\n" for line in heading.splitlines())
    bodies = [
        yaml.dump(each, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)
        for each in documents
    ]
    return comment + "---\n".join(bodies)
