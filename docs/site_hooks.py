"""What mkdocs does beside its plugins, so that one file reads the same on a code host and on the site."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path, PurePosixPath

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = {  # pages of the site that lie outside docs/, by their names there
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "edge6g_env/traces/README.md": "traces.md",
}
HIDDEN = {"index.md": ["navigation"], "matrix.md": ["toc"]}  # sidebars
FENCED = re.compile(r"(^ *```.*?^ *```$)", flags=re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!!)\[([^\[\]]+)\]\((?!\w+:)([^()#\s]+)(#[^()\s]*)?\)")
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', flags=re.DOTALL)
ABOUT_HOSTS = re.compile(r"^On a code host .*?\n\n", flags=re.DOTALL | re.MULTILINE)
UNESCAPED = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Anchors as code hosts make them."""
    config["mdx_configs"]["toc"]["slugify"] = slug
    return config


def slug(heading: str, separator: str) -> str:
    """Lower case, no punctuation, a separator for each space."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", separator)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Pages that lie outside docs/."""
    for path, name in OUTSIDE.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as they have to be on the site; Markdown inside <details>; no word about code hosts; room where a sidebar is of no use."""
    page.meta["hide"] = HIDDEN.get(page.file.src_uri, [])
    place = next((path for path, name in OUTSIDE.items() if name == page.file.src_uri), f"docs/{page.file.src_uri}")
    parts = FENCED.split(markdown)  # every second one is a block of code
    parts[::2] = [LINK.sub(partial(_link, place, page.file.src_uri), part) for part in parts[::2]]
    return ABOUT_HOSTS.sub("", "".join(parts)).replace("<details>", '<details markdown="1">')


def _link(place: str, source: str, found: re.Match[str]) -> str:
    """A link from the file at `place`, page `source` of the site; what is no page becomes a name."""
    text, to, anchor = found[1], found[2], found[3] or ""
    target = (ROOT / place).parent.joinpath(to).resolve().relative_to(ROOT).as_posix()
    name = OUTSIDE.get(target, target.removeprefix("docs/") if target.startswith("docs/") else None)
    if name is None:
        return f"`{target}`" if text.strip("`") == target else f"{text} (`{target}`)"
    up = "../" * (len(PurePosixPath(source).parts) - 1)
    return f"[{text}]({up}{name}{anchor})"


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Formulas as MathML, which browsers draw by themselves."""
    return FORMULA.sub(_math_ml, html)


def _math_ml(found: re.Match[str]) -> str:
    formula = found[3]
    for entity, sign in UNESCAPED.items():
        formula = formula.replace(entity, sign)
    return convert(formula.strip(), display="block" if found[2] == "[" else "inline")
