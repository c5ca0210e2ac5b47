"""Runs tutorials and library pages and draws their pictures: ``python docs/pictures.py``.

A picture is what pyplot's figure shows after a block of code; it gets the name that the text below
the block gives it.
"""

import re
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot

FOLDERS = [Path(__file__).resolve().parent / name for name in ("tutorials", "library")]
PARTS = re.compile(r"^```python\n(?P<code>.*?)^```$|!\[[^\]]*\]\((?P<picture>[^)]+)\)", re.M | re.S)
STYLE = {"figure.figsize": (4.6, 3.1), "font.size": 9, "savefig.dpi": 150, "axes.grid": False}


def run(tutorial: Path, pictures: Path) -> list[str]:
    """Executes a page's blocks one after the other; returns the names of the pictures drawn.

    Raises:
        ValueError: A picture is named where nothing was drawn, or drawn and not named.
    """
    names: dict[str, object] = {"__name__": tutorial.stem}
    drawn: list[str] = []
    pyplot.close("all")
    with pyplot.rc_context(STYLE):
        for part in PARTS.finditer(tutorial.read_text()):
            if part["code"] is not None:
                if pyplot.get_fignums():
                    raise ValueError(f"{tutorial.name}: a figure is drawn before {part['code']!r}")
                exec(compile(part["code"], str(tutorial), "exec"), names)
                continue
            if not pyplot.get_fignums():
                raise ValueError(f"{tutorial.name}: nothing is drawn for {part['picture']}")
            pyplot.tight_layout()
            pyplot.savefig(pictures / part["picture"])
            pyplot.close("all")
            drawn.append(part["picture"])
    return drawn


if __name__ == "__main__":
    for folder in FOLDERS:
        for path in sorted(folder.glob("*.md")):
            with TemporaryDirectory() as scratch, chdir(scratch):
                print(path.name, *run(path, folder))
