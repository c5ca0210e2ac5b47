"""The tutorials run as they are printed, with their assertions and pictures."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).parents[1] / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))


@pytest.fixture(scope="module")
def pictures():
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "pictures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial_runs(tutorial, pictures, tmp_path, monkeypatch):
    """Every block; what it draws is what the text shows, and the pictures are in the repository."""
    monkeypatch.chdir(tmp_path)
    np.random.seed(1)  # noqa: NPY002 - the tutorials draw from the old generator, as the manual does
    drawn = pictures.run(tutorial, tmp_path)
    assert drawn
    for name in drawn:
        assert (tmp_path / name).stat().st_size > 3000
        assert (tutorial.parent / name).exists()


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_links_lead_somewhere(tutorial):
    """Other pages and pictures that are named are there."""
    for target in re.findall(r"\]\(([^)]+)\)", tutorial.read_text()):
        if not target.startswith("https://"):
            assert (tutorial.parent / target).exists(), target


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
