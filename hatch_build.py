"""What the build does beyond pyproject.toml: README for an index page, and the links of an editable install."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!\w+:|#)([^)\s]+)\)")

ROOMS = {
    "client": "clients/python",
    "deployment": "deployment",
    "kernels": "kernels",
    "loadgen": "loadgen",
    "models": "models",
    "protos": "protos",
    "server": "server",
}


class ReadmeHook(MetadataHookInterface):
    """README.md with links that lead somewhere from an index page: those into the tree become the repository's."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Give the package its readme."""
        # Hooks see the metadata as it is being put together, so the URL comes from the file.
        repository = self.config["repository"].rstrip("/")
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute_links(text, repository)}
        metadata["urls"] = {
            name: url.replace("REPOSITORY", repository) for name, url in self.config["urls"].items()
        }


class EditableHook(BuildHookInterface[Any]):
    """The links in ``.editable``, which an sdist leaves out, since it would store what they lead to a second time."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Make those that are missing, for an editable install."""
        if version != "editable":
            return
        for name, room in ROOMS.items():
            link = Path(self.root, ".editable", "accelserve", name)
            if not link.is_symlink():
                link.symlink_to(Path("..", "..", room))


def absolute_links(markdown: str, repository: str) -> str:
    """Links into the tree, made into links to the repository's pages and, for pictures, files."""

    def absolute(found: re.Match[str]) -> str:
        mark, text, target = found.groups()
        return f"{mark}[{text}]({repository}/{'raw' if mark else 'blob'}/main/{target})"

    return _LINK.sub(absolute, markdown)
