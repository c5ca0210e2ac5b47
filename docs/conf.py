"""How Sphinx makes the site of these pages: ``python -m nox -s docs``.

The pages are written for GitHub too, so that what only a site has is added here: contents at the
side, in the order of the table in `README.md`; the docstrings below the tables of public names; and
formulas as MathML, which browsers draw without scripts or fonts from other hosts.
"""

import re
from importlib import metadata
from importlib.util import module_from_spec, spec_from_file_location
from os.path import relpath
from pathlib import Path
from types import ModuleType

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

DOCS = Path(__file__).resolve().parent


def beside(name: str) -> ModuleType:
    """A script of this folder, under a name that no module of the tests has."""
    spec = spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = beside("reference")

project = "miniff"
author = "The miniff authors"
project_copyright = "The miniff authors"
try:
    release = metadata.version("miniff")
except metadata.PackageNotFoundError:  # used from a checkout
    release = "development version"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["README.md"]  # included by index.md

html_theme = "furo"
html_title = "miniff"
pygments_dark_style = "a11y-high-contrast-dark"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
copybutton_exclude = ".linenos, .gp, .go"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

# Names in docstrings lead somewhere; types of other packages and private ones need not.
nitpicky = True
nitpick_ignore_regex = [
    ("py:class", r"(?!miniff\.[a-z]\w*\.[A-Z]).*"),
    ("py:exc", r"(?!miniff).*"),
    ("py:obj", r"typing\.Literal.*"),
]

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_use_rtype = False
python_maximum_signature_line_length = 88

# Pages of the site that include files from above this folder.
PAGES_OF_FILES = {
    DOCS.parent / "CHANGELOG.md": DOCS / "changes.md",
    DOCS.parent / "CONTRIBUTING.md": DOCS / "contributing.md",
    DOCS / "README.md": DOCS / "index.md",
}
LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)\s#]+)(?P<place>#[^)\s]*)?\)")


def contents() -> str:
    """The site's contents: the rows of the table in `README.md`, and what lies beside its pages."""
    table = re.findall(
        r"^\| (?=\w)(.+) \| (.+) \|$", (DOCS / "README.md").read_text(), re.MULTILINE
    )
    return "\n".join(contents_of_row(caption, links) for caption, links in table)


def contents_of_row(caption: str, links: str) -> str:
    titles = {
        page_of((DOCS / link["target"]).resolve()): link["text"] for link in LINK.finditer(links)
    }
    folders = dict.fromkeys(page.parent for page in titles if page.parent != DOCS)
    rest = [page for folder in folders for page in sorted(folder.glob("*.md"))]
    entries = [
        f"{title[0].upper()}{title[1:]} <{page.relative_to(DOCS).with_suffix('')}>"
        for page, title in titles.items()
    ]
    entries += [str(page.relative_to(DOCS).with_suffix("")) for page in rest if page not in titles]
    return f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(entries) + "\n```\n"


def with_docstrings(page: str, module: str) -> str:
    """The page of a module with its docstrings, to which the table leads."""
    listed = set(re.findall(r":: (\w+)$", reference.docstrings(module), re.MULTILINE))

    def leading(row: re.Match[str]) -> str:
        role = f"{{py:obj}}`~miniff.{module}.{row[1]}`"
        return f"| {role} |" if row[1] in listed else row[0]

    page = re.sub(r"^\| `(\w+)` \|", leading, page, flags=re.MULTILINE)
    return f"{page}\n```{{eval-rst}}\n{reference.docstrings(module)}\n```\n"


def add_to_page(app: Sphinx, page: str, text: list[str]) -> None:
    """What the pages have on the site only."""
    folder = (DOCS / page).parent
    text[0] = with_links(text[0], folder, folder)
    if page == "index":
        text[0] += contents()
    elif page == "reference/names":
        modules = "\n".join(f"api/{name}" for name in reference.MODULES)
        text[0] += f"\n```{{toctree}}\n:hidden:\n\n{modules}\n```\n"
    elif page.startswith("reference/api/"):
        text[0] = with_docstrings(text[0], page.removeprefix("reference/api/"))


def mend_included(app: Sphinx, path: Path, page: str, text: list[str]) -> None:
    """Links of an included file as if they stood on the page itself."""
    text[0] = with_links(text[0], (DOCS / path).resolve().parent, (DOCS / page).parent)


def with_links(text: str, home: Path, folder: Path) -> str:
    """Links that are relative to one folder, made relative to another and to the site's pages."""

    def mended(link: re.Match[str]) -> str:
        file = (home / link["target"]).resolve()
        if not file.exists():  # an address, or no link at all
            return link[0]
        file = page_of(file)
        scheme = "path:" if file.suffix == ".md" and not file.is_relative_to(DOCS) else ""
        return f"[{link['text']}]({scheme}{relpath(file, folder)}{link['place'] or ''})"

    return LINK.sub(mended, text)


def page_of(file: Path) -> Path:
    """The page that includes a file, or the file itself."""
    return PAGES_OF_FILES.get(file, file)


def public_target(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, inner: nodes.TextElement
) -> nodes.Element | None:
    """`miniff.kernel._cell.Cell` is documented as `miniff.kernel.Cell`."""
    target = node.get("reftarget", "")
    public = re.sub(r"^(miniff\.\w+)\.(?:_\w+\.)+", r"\1.", target)
    if public == target or node.get("refdomain") != "py":
        return None
    domain = env.domains.python_domain
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", public, node, inner)


def types_in_signatures(
    app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    """Attributes as `vectors: Float64[ndarray, "3 3"]`, not with a paragraph for the type."""
    head, mended = 0, []
    for line in lines:
        kind = re.match(r"\s+:type: (.*)", line)
        if kind:
            text = re.sub(r"(?:\w+\.)+(?=\w)", r"~\g<0>", kind[1])
            mended.insert(head, f"   :type: {text}")
            continue
        mended.append(line)
        if line.startswith(".. attribute::"):
            head = len(mended)
    lines[:] = mended


def refuse_other_hosts(app: Sphinx, failure: Exception | None) -> None:
    """The site works without a network: links may lead elsewhere, nothing is loaded from there."""
    for page in sorted(Path(app.outdir).rglob("*.html")):
        for address in loaded_from_elsewhere(page.read_text()):
            logging.getLogger(__name__).warning("%s loads %s", page.name, address)


def loaded_from_elsewhere(html: str) -> list[str]:
    """Addresses on other hosts that a page loads scripts, styles, fonts or pictures from."""
    tags = r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)="
    return re.findall(tags + r"[\"']?((?:https?:)?//[^\"'\s>]+)", html)


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(latex2mathml.tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def visit_math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    formula = latex2mathml.tex2mathml(node.astext(), as_block=True)
    self.body.append(f'<div class="math">{formula}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("source-read", add_to_page)
    app.connect("include-read", mend_included)
    app.connect("missing-reference", public_target)
    app.connect("autodoc-process-docstring", types_in_signatures, priority=900)
    app.connect("build-finished", refuse_other_hosts)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
