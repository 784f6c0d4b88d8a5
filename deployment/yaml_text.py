"""Documents as YAML, the same bytes for the same document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

Document = Mapping[str, Any]


def yaml_text(documents: Sequence[Document], heading: str) -> str:
    """YAML of one document or several, keys in their order.

    Args:
        documents: of plain mappings, lists, texts, numbers and truths.
        heading: of one or more lines, which become comments.
    """
    comment = "".join(f"# {line}".rstrip() + "\n" for line in heading.splitlines())
    bodies = [yaml.safe_dump(each, sort_keys=False, width=10_000, allow_unicode=True) for each in documents]
    return comment + "---\n".join(bodies)
