"""The report in a real browser: it draws without complaint, and points say whose they are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("websockets", reason="the browser is spoken to by websockets")

from browser import CHROMIUM, Page, opened
from test_report import EVIL, reported

from miniff.kernel import Finding
from miniff.presentation._report import Coverage, Report, write_html

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")

WORST = """
(() => {
  const figure = document.getElementById("PLACE");
  const [plot] = [...Bokeh.index].find((view) => figure.contains(view.el)).child_views;
  const drawn = plot.model.renderers.at(-1).data_source.data;
  let worst = 0;
  drawn.error.forEach((error, k) => {
    if (Math.abs(error) > Math.abs(drawn.error[worst])) worst = k;
  });
  plot.el.scrollIntoView({block: "center"});
  const box = plot.el.getBoundingClientRect();
  const {x_scale, y_scale} = plot.frame;
  const x = box.left + x_scale.compute(drawn.reference[worst]);
  const y = box.top + y_scale.compute(drawn.predicted[worst]);
  return {x, y, error: drawn.error[worst]};
})()
"""
TOLD = """
new Promise((done) => {
  const found = [];
  const walk = (node) => {
    if (node.shadowRoot) walk(node.shadowRoot);
    for (const child of node.children ?? []) {
      if (child.classList.contains("bk-tooltip-row-value")) found.push(child.textContent.trim());
      walk(child);
    }
  };
  let patience = 100;
  const look = () => {
    walk(document.body);
    if (found.length || !patience--) done(found);
    else setTimeout(look, 50);
  };
  look();
})
"""
INK = """
(() => {
  const roots = [...Bokeh.index];
  const views = roots.flatMap((view) => view.canvas_view ? [view] : view.child_views ?? []);
  return views.map(({canvas_view: {primary: {canvas}}}) => {
    const context = canvas.getContext("2d");
    const pixels = new Uint32Array(
      context.getImageData(0, 0, canvas.width, canvas.height).data.buffer
    );
    return new Set(pixels).size;
  });
})()
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with all of its parts."""
    sets = [reported("train", 60), reported("test", 20, seed=1, group=EVIL)]
    errors = {"rmse": 0.1, "mae": 0.05}
    every = {"energy": errors, "forces": errors, "stress": errors}
    records: list[dict[str, Any]] = [
        {"epoch": k, "train": every, "validation": None} for k in range(1, 6)
    ]
    levels = np.linspace(0, 1, 7)[:, None] * np.ones(5)
    counts = {"train": 120, "test": 40}
    coverage = Coverage(
        "C",
        list("abcde"),
        np.zeros(5),
        np.ones(5),
        {"train": levels, "test": levels},
        counts,
        counts,
    )
    path = tmp_path_factory.mktemp("page") / "report.html"
    findings = [Finding("note", "x", "Something to know.")]
    write_html(
        Report(
            "A fit", "1 network", sets, records, [coverage], {"training": 1.0}, [EVIL], findings
        ),
        path,
    )
    return path


@pytest.fixture
def page() -> Iterator[Page]:
    with opened() as one:
        yield one


def test_page_is_drawn_without_complaint(page: Page, report: Path) -> None:
    """No error in the console, nothing asked for from outside, ink in every figure."""
    page.open(report, 1280, 900)
    assert page.complaints == []
    figures = page.run("[...document.querySelectorAll('figure')].map((f) => f.id)")
    assert {name.rstrip("0123456789") for name in figures} == {
        *("curve", "parity", "group", "species", "coverage")
    }
    assert len(figures) == 3 + 3 + 2 + 1 + 1
    ink = page.run(INK)
    assert len(ink) == len(figures) + 3  # errors have axes of their own
    assert min(ink) > 3


def whose(own: Any, error: float) -> tuple[str, str]:
    """Structure and atom with a force error, in meV."""
    atom, _ = np.argwhere(np.isclose(own.force_errors, error, rtol=1e-5))[0]
    return own.titles[atom // 2], f"{atom % 2}, {'CO'[atom % 2]}"


@pytest.mark.parametrize(("width", "is_touch"), [(1280, False), (390, True)])
def test_outlier_says_whose_it_is(page: Page, report: Path, width: int, is_touch: bool) -> None:
    """The worst force component of the test set, under the mouse and under a finger."""
    page.open(report, width, 844, is_touch=is_touch)
    at = page.run(WORST.replace("PLACE", "parity1"))
    (page.touch if is_touch else page.point_at)(at["x"], at["y"])
    told = page.run(TOLD)
    structure, atom = whose(reported("test", 20, seed=1, group=EVIL), at["error"])
    assert told[0] == structure
    assert told[1] == "test"
    assert told[2] in ("surface", EVIL)
    assert told[3] == atom
    assert page.complaints == []


def test_page_fits_a_phone_and_paper(page: Page, report: Path, tmp_path: Path) -> None:
    """Nothing is wider than the screen but what scrolls by itself, and it prints."""
    page.open(report, 390, 844, is_touch=True)
    assert page.run("document.documentElement.scrollWidth") <= 390
    page.printed(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
