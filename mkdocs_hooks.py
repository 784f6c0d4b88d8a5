"""What the documentation's site needs beyond mkdocs.yml: pages from outside docs/, navigation, links into the tree."""

from __future__ import annotations

import posixpath
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent
PAGES_OUTSIDE = {
    "README.md": "start.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files of the tree that are pages of the site as well, and the pages' names."""

_LINK = re.compile(r"(\[[^\]]*\]\()(?!\w+:|#)([^)\s]+)\)")
_SECTION = re.compile(r"^## (.+)$|^\|[^|]*\| \[[^\]]*\]\(([^)]+)\) \|$", re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the navigation from the index, so that there is one list of pages: a page that it lacks is an error."""
    index = Path(config.docs_dir, "README.md").read_text(encoding="utf-8")
    sections: dict[str, list[str | dict[str, str]]] = {}
    for heading, page in _SECTION.findall(index):
        if heading:
            sections[heading] = pages = []
        else:
            pages.append(_page_of(posixpath.normpath(posixpath.join("docs", page))))
    config.repo_url, config.repo_name = f"{_repository()}/", "Source"
    config.nav = ["README.md", *({heading: pages} for heading, pages in sections.items())]
    # Its own heading is the project's name.
    sections["Start"][0] = {"Five-minute start": "start.md"}
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand elsewhere in the tree."""
    for source, name in PAGES_OUTSIDE.items():
        content = Path(ROOT, source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to files that are no pages to the repository."""
    names = {name: source for source, name in PAGES_OUTSIDE.items()}
    source = names.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    pages = {file.src_uri for file in files}

    def target(link: str) -> str:
        path, mark, anchor = link.partition("#")
        in_tree = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if not (ROOT / in_tree).exists():
            raise PluginError(f"{source} has a link to {link}, and there is no {in_tree}")
        inside = _page_of(in_tree)
        return (
            f"{inside}{mark}{anchor}"
            if inside in pages
            else f"{config.repo_url}blob/main/{in_tree}{mark}{anchor}"
        )

    return _LINK.sub(lambda found: f"{found[1]}{target(found[2])})", markdown)


def _repository() -> str:
    """Where the project is published."""
    project = tomllib.loads(Path(ROOT, "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["tool"]["hatch"]["metadata"]["hooks"]["custom"]["repository"])


def _page_of(path_in_tree: str) -> str:
    """The page's name under docs/, of a file named from the tree's root."""
    return PAGES_OUTSIDE.get(path_in_tree, path_in_tree.removeprefix("docs/"))
