"""Runs the tutorials and draws their pictures: ``python docs/pictures.py``.

A picture is what pyplot's figure shows after a block of code; it gets the name that the text below
the block gives it.
"""

import re
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot

FOLDER = Path(__file__).parent / "tutorials"
PARTS = re.compile(r"^```python\n(?P<code>.*?)^```$|!\[[^\]]*\]\((?P<picture>[^)]+)\)", re.M | re.S)
STYLE = {"figure.figsize": (4.6, 3.1), "font.size": 9, "savefig.dpi": 150, "axes.grid": False}


def run(tutorial: Path, pictures: Path) -> list[str]:
    """Executes a tutorial's blocks one after the other; returns the names of the pictures drawn.

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
    for path in sorted(FOLDER.glob("*.md")):
        print(path.name, *run(path, FOLDER))
