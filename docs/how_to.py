"""Does what `add-a-potential.md` says to a copy of the sources: ``python docs/how_to.py FOLDER``.

The page has blocks of code after "Write `FILE`:" and after "In `FILE`, above `TEXT`:", where TEXT
is what one line of the file begins with, indented or not; or several, of which "the last" is meant.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree, ignore_patterns

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "add-a-potential.md"
STEP = re.compile(
    r"(?:[Ii]n\s+`(?P<changed>[^`]+)`,\s+above\s+(?P<last>the last )?`(?P<line>[^`]+)`"
    r"|[Ww]rite\s+`(?P<written>[^`]+)`):\n\n"
    r"```\w+\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Step:
    """A block of code and where it goes: above a line, or, without one, a file of its own."""

    file: str
    line: str | None
    code: str
    last: bool = False

    def do(self, root: Path) -> None:
        """Changes the file, or writes it.

        Raises:
            ValueError: No line begins so, or several do, or a file to be written is there.
        """
        path = root / self.file
        if self.line is None:
            if path.exists():
                raise ValueError(f"{self.file} is there already")
            path.write_text(self.code)
            return
        lines = path.read_text().splitlines(keepends=True)
        places = [n for n, line in enumerate(lines) if line.lstrip().startswith(self.line)]
        if not places or (len(places) > 1 and not self.last):
            raise ValueError(f"{self.file} has {len(places)} lines that begin with {self.line!r}")
        path.write_text("".join([*lines[: places[-1]], self.code, *lines[places[-1] :]]))


def steps(page: str) -> list[Step]:
    """What a page says, in its order."""
    return [
        Step(
            found["changed"] or found["written"], found["line"], found["code"], bool(found["last"])
        )
        for found in STEP.finditer(page)
    ]


def follow(page: str, copy: Path) -> None:
    """Copies the sources and does all steps there."""
    for folder in ("cpp", "src", "tests", "docs"):
        copytree(ROOT / folder, copy / folder, ignore=ignore_patterns("*.so", "__pycache__"))
    for file in ("CMakeLists.txt", "LICENSE", "README.md", "pyproject.toml"):
        (copy / file).write_bytes((ROOT / file).read_bytes())
    for step in steps(page):
        step.do(copy)


if __name__ == "__main__":
    follow(PAGE.read_text(), Path(sys.argv[1]))
