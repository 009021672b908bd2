"""An mkdocs hook: pages that are written for a code host become pages of the site.

On a code host a link from docs/ to a source file is a path. In the site it leads to the reference
page that is generated from that file, or to a page that shows it.
"""

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCUMENTS = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "schema/README.md": "schema.md",
}
"""Documents outside docs/, and the pages that they become."""

REFERENCE = {
    "components": "reference/artifacts.md",
    "mri": "reference/command-line.md",
    "pipeline/config.py": "reference/configuration.md",
    "pipeline/exit_code.py": "reference/exit-codes.md",
    "pipeline/presets": "reference/presets.md",
}
"""Source files and folders, and the pages that are generated from them."""

UNSEARCHED = ("source/", "licences.md")
"""The beginnings of the names of pages that the site's search leaves out."""
LANGUAGES = {
    ".json": "json",
    ".py": "python",
    ".yaml": "yaml",
    ".cff": "yaml",
    ".pbtxt": "proto",
    ".toml": "toml",
}
LINK = re.compile(r"\]\((?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")
SENTENCE = re.compile(r"<code>(?=(?:[^<\s]+\s){4})")
"""The beginning of code of five words or more, which a narrow column may break."""
CELL = re.compile(r"<td.*?</td>", re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the documents outside docs/, and a page for every source file that is linked to."""
    root = Path(config.config_file_path).parent
    for path, name in DOCUMENTS.items():
        content = (root / path).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=content))
    for page in [file for file in files if file.is_documentation_page()]:
        for path in _linked(page):
            name = page_of(path)
            if name.startswith("source/") and files.get_file_from_path(name) is None:
                files.append(File.generated(config, name, content=_source(root, path, page)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Points the links of a page at what they lead to in the site."""
    del config, files
    if page.file.src_uri.startswith(UNSEARCHED):
        page.meta["search"] = {"exclude": True}
    folder = posixpath.dirname(page.file.src_uri) or "."

    def point(link: re.Match[str]) -> str:
        target = page_of(_linked_path(page.file, link))
        return f"]({posixpath.relpath(target, folder)}{link['anchor'] or ''})"

    return LINK.sub(point, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Drops the backslash before a bar in a table's code, as code hosts do, and marks sentences."""
    del page, config, files

    def told(cell: re.Match[str]) -> str:
        return SENTENCE.sub('<code class="sentence">', cell[0].replace("\\|", "|"))

    return CELL.sub(told, html)


def page_of(path: str) -> str:
    """Returns the page, or other file, of the site that a path of the repository leads to."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return DOCUMENTS.get(path) or REFERENCE.get(path) or f"source/{path}.md"


def _linked(page: File) -> Iterable[str]:
    return (_linked_path(page, link) for link in LINK.finditer(page.content_string))


def _linked_path(page: File, link: re.Match[str]) -> str:
    """The path in the repository that a link leads to."""
    origins = {name: path for path, name in DOCUMENTS.items()}
    origin = origins.get(page.src_uri, f"docs/{page.src_uri}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), link["path"]))


def _source(root: Path, path: str, page: File) -> str:
    """The Markdown of a page that shows a source file."""
    try:
        text = (root / path).read_text(encoding="utf-8")
    except OSError as error:
        raise PluginError(f"{page.src_uri} links to {path}: {error}.") from error
    language = LANGUAGES.get(Path(path).suffix, "text")
    return f"# {Path(path).name}\n\n`{path}`\n\n````{language}\n{text}\n````\n"
