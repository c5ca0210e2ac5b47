"""Runs the pages of the documentation and draws their pictures: ``python docs/pictures.py``.

A picture is the figure that the last line of a block of code gives, as a notebook shows it, or what
pyplot's figure shows after the block; it gets the name that the text below the block gives it.
"""

import ast
import re
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot
from matplotlib.figure import Figure
from PIL import Image

from miniff.presentation import STYLE

DOCS = Path(__file__).resolve().parent
PAGES = [*sorted(DOCS.glob("t*/*.md")), *sorted(DOCS.glob("l*/*.md")), DOCS / "gallery.md"]
PARTS = re.compile(r"^```python\n(?P<code>.*?)^```$|!\[[^\]]*\]\((?P<picture>[^)]+)\)", re.M | re.S)
N_COLORS = 64
"""As many are enough for lines, and a picture then takes a third of the room."""


def run(page: Path, pictures: Path) -> list[str]:
    """Executes a page's blocks one after the other; returns the names of the pictures drawn.

    Raises:
        ValueError: A picture is named where nothing was drawn, or drawn and not named.
    """
    names: dict[str, object] = {"__name__": page.stem}
    drawn: list[str] = []
    figure: Figure | None = None
    pyplot.close("all")
    with pyplot.rc_context(STYLE):
        for part in PARTS.finditer(page.read_text()):
            if part["code"] is not None:
                if figure is not None:
                    raise ValueError(f"{page.name}: a figure is drawn before {part['code']!r}")
                figure = executed(part["code"], str(page), names)
                continue
            if figure is None:
                raise ValueError(f"{page.name}: nothing is drawn for {part['picture']}")
            save(figure, pictures / part["picture"])
            pyplot.close("all")
            figure = None
            drawn.append(part["picture"])
    return drawn


def executed(code: str, page: str, names: dict[str, object]) -> Figure | None:
    """Runs a block; gives the figure that it ends with or that pyplot has."""
    block = ast.parse(code, page)
    last = block.body[-1] if block.body else None
    value: object = None
    if isinstance(last, ast.Expr):
        block.body.pop()
        exec(compile(block, page, "exec"), names)
        value = eval(compile(ast.Expression(last.value), page, "eval"), names)
    else:
        exec(compile(block, page, "exec"), names)
    if pyplot.get_fignums():
        pyplot.tight_layout()
        return pyplot.gcf()
    return value if isinstance(value, Figure) else None


def save(figure: Figure, path: Path) -> None:
    """A small PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    with Image.open(path) as image:
        image.convert("RGB").quantize(N_COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    for path in PAGES:
        if not any(part["picture"] for part in PARTS.finditer(path.read_text())):
            continue
        with TemporaryDirectory() as scratch, chdir(scratch):
            print(path.name, *run(path, path.parent))
