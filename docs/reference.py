"""Writes the reference pages from the code: ``python docs/reference.py``.

`job-files.md` has every key of a job file, `families.md` every family of potentials, `names.md`
every public module and `api/` the names in each. They are kept in the repository; a test finds out
when they say something else than the code. The site adds what the docstrings say (`docstrings`).
"""

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from miniff import ml_util, potentials
from miniff.ml_util._steps import outputs_of, stages
from miniff.potentials import ByName, Switch, charge_families, known_families

FOLDER = Path(__file__).parent / "reference"
MODULES = {
    "kernel": "structures, their neighbours, energies and forces",
    "potentials": "classical potentials and descriptors",
    "ewald": "the Coulomb energy of charges",
    "ml": "networks, data sets, potentials made of them",
    "ml_util": "recipes, workflows, job files",
    "ase": "potentials as ASE's calculator",
    "dyn": "atoms in motion",
    "lammps": "potentials in LAMMPS",
    "presentation": "plots",
    "io": "files of structures",
    "units": "units by name",
}
FAMILIES = {**known_families, **charge_families}
NOTE = "<!-- Written by docs/reference.py from the code: change it there. -->\n"


def summary(thing: object) -> str:
    """The first sentence of a docstring, without markup that Markdown does not know."""
    text = inspect.getdoc(thing) or ""
    first = " ".join(text.split("\n\n")[0].split())
    return plain(first)


def plain(text: str) -> str:
    text = re.sub(r":\w+:`[~.]?([^`]+)`", r"`\1`", text.replace("``", "`"))
    return text.replace("|", "\\|")


def arguments(function: Callable[..., object]) -> dict[str, str]:
    """What a docstring's section `Args` says of each argument."""
    text = inspect.getdoc(function) or ""
    found = re.search(r"^Args:\n((?:    .*\n?|\n)+)", text, flags=re.MULTILINE)
    if found is None:
        return {}
    said: dict[str, str] = {}
    name = ""
    for line in found[1].splitlines():
        begun = re.match(r"    (\w+): (.*)", line)
        if begun:
            name, said[begun[1]] = begun[1], begun[2]
        elif name and line.strip():
            said[name] += " " + line.strip()
    return {key: plain(value) for key, value in said.items()}


def kind_of(annotation: Any) -> str:
    """A type in words a job file's author knows."""
    if get_origin(annotation) is Annotated:
        return kind_of(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    words = {
        str: "text",
        int: "integer",
        float: "number",
        bool: "`true` or `false`",
        type(None): "`null`",
        dict: "mapping",
        list: "list",
    }
    if annotation in words:
        return words[annotation]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is list:
        return f"list of {kind_of(args[0])}"
    if origin is dict:
        return "mapping"
    if origin is Union or type(annotation).__name__ == "UnionType":
        kinds = dict.fromkeys(kind_of(part) for part in args if part is not type(None))
        return " or ".join(kinds)
    return str(getattr(annotation, "__name__", annotation))


def default_of(parameter: inspect.Parameter) -> str:
    if parameter.default is inspect.Parameter.empty:
        return "needed"
    if parameter.default is None:
        return ""
    if isinstance(parameter.default, bool):
        return f"`{str(parameter.default).lower()}`"
    return f"`{parameter.default}`"


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def keys_of(function: Callable[..., object]) -> Iterator[tuple[str, ...]]:
    hints = get_type_hints(function, include_extras=True)
    said = arguments(function)
    for name, parameter in inspect.signature(function).parameters.items():
        if name != "self":
            yield f"`{name}`", kind_of(hints[name]), default_of(parameter), said.get(name, "")


def job_files() -> str:
    """Every key of every workflow."""
    parts = [
        NOTE,
        "# Job files\n",
        "`python -m miniff jobs.yml` runs the workflows that a job file names, in their order. "
        "Each has up to three sections, `init`, `prepare` and `run`; what is left out has its "
        "default. A key that is not listed here, a value of another kind or a file that is not "
        "there is refused before anything runs.\n",
        "With `-v` (or `-vv`, the same) the job is first shown with every key, also those that "
        "were left out, as a job file to copy from. With `log: warning` only warnings are shown; "
        "WORKFLOW.log has all messages in any case. `python -m miniff --version` says which "
        "release this is.\n",
        "Energies are in eV, lengths in angstrom, stresses in eV/angstrom^3 (positive under "
        "tension). File names are relative to the folder in which the command is run.\n",
    ]
    for name, workflow in ml_util.WORKFLOWS.items():
        parts += [f"## `{name}`\n", summary(workflow) + "\n"]
        written = ", ".join(f"`{path}`" for path in outputs_of(name, workflow))
        parts.append(f"It writes {written}, besides what its keys name.\n")
        for section, function in stages(workflow).items():
            rows = list(keys_of(function))
            parts.append(f"### `{section}`\n")
            parts.append(
                table(("key", "value", "default", "meaning"), iter(rows)) if rows else "No keys.\n"
            )
    return "\n".join(parts)


def families() -> str:
    """Every family with its formula and parameters."""
    parts = [
        NOTE,
        "# Families of potentials and descriptors\n",
        "A family called with its parameters gives a potential: "
        '`lj_potential_family(tag="Ar-Ar", epsilon=0.0104, sigma=3.4, a=2.5)`. The tag names '
        "species, the centre first; without one it acts on all. Sums run over the neighbours of "
        "every atom, so that a bond is counted from both its ends: see "
        "[potentials](../library/potentials.md).\n",
        SYMBOLS,
    ]
    names = {id(value): name for name, value in vars(potentials).items()}
    for label, family in FAMILIES.items():
        parts.append(f"## {label}\n")
        parts.append(f"`miniff.potentials.{names[id(family)]}`\n")
        if family.formula:
            parts.append(f"    {family.formula}\n")
        parts += [f"{paper}\n" for paper in papers_of(family)]
        rows = []
        for name, parameter in family.parameters.items():
            default = getattr(parameter, "default", None)
            shown = "needed" if default is None else f"`{default}`"
            if isinstance(parameter, ByName):
                shown = "none named"
            elif name in getattr(family, "optional", ()):
                shown = "chosen"
            rows.append((f"`{name}`", range_of(parameter), shown, plain(parameter.text)))
        parts.append(table(("parameter", "values", "default", "meaning"), iter(rows)))
    return "\n".join(parts)


PAPER = re.compile(
    r"(?P<authors>[A-Z]\w+(?:, [A-Z]\w+)*(?: and [A-Z]\w+)?, )"
    r"(?P<journal>[A-Z][\w. :]*? \d+, \d+ \(\d{4}\)), (?P<link>https://doi\.org/[\w./-]*\w)"
)


def papers_of(family: object) -> Iterator[str]:
    """The papers that the module of a family cites; of several families, that of its authors."""
    home = next(
        module
        for name, module in sys.modules.items()
        if name.startswith("miniff.potentials._") and family in _families_made_in(module)
    )
    found = list(PAPER.finditer(" ".join((home.__doc__ or "").split())))
    one_each = len(found) > 1
    for paper in found:
        first = re.split(r"[ ,]", paper["authors"])[0]
        if not one_each or first in family.name:  # type: ignore[attr-defined]
            yield f"{paper['authors']}[{paper['journal']}]({paper['link']})"


def _families_made_in(module: ModuleType) -> list[object]:
    text = inspect.getsource(module)
    names = re.findall(r"^(\w+_family) = ", text, re.MULTILINE)
    return [getattr(module, name) for name in names]


def range_of(parameter: Any) -> str:
    """What a parameter may be."""
    if hasattr(parameter, "known"):
        return ", ".join(f"`{word}`" for word in parameter.known)
    if isinstance(parameter, Switch):
        return "`true` or `false`"
    if isinstance(parameter, ByName):
        return f"by species, {range_of(parameter.each)}"
    if not hasattr(parameter, "low"):
        return "numbers"
    low, high = parameter.low, parameter.high
    if low == float("-inf") and high == float("inf"):
        return "any number"
    opening = "(" if parameter.above or low == float("-inf") else "["
    closing = ")" if high == float("inf") else "]"
    return f"{opening}{low:g}, {high:g}{closing}"


def names() -> str:
    """Every public module."""
    rows = ((f"[`miniff.{name}`](api/{name}.md)", what) for name, what in MODULES.items())
    return "\n".join(
        [
            NOTE,
            "# Python: public names\n",
            "What is not listed is private and may change. Shapes, units, signs and errors are in "
            "the docstrings, which `help(name)` shows.\n",
            table(("module", "what it has"), rows),
        ]
    )


def module_page(module_name: str) -> str:
    """Every public name of a module with what it is."""
    module = importlib.import_module(f"miniff.{module_name}")
    rows = []
    for name in public_names(module):
        value = getattr(module, name)
        if name in potential_families():
            place = value.name.lower().replace(" ", "-").replace(",", "")
            text = f"the family [{value.name}](../families.md#{place})"
        elif callable(value) and get_origin(value) is not Literal:
            text = summary(value)
        else:
            text = constant(value)
        rows.append((f"`{name}`", text))
    title = f"# miniff.{module_name}\n"
    what = f"{MODULES[module_name][0].upper()}{MODULES[module_name][1:]}.\n"
    return "\n".join([NOTE, title, what, table(("name", "what it is"), iter(rows))])


def public_names(module: ModuleType) -> list[str]:
    return sorted(module.__all__, key=str.lower)


def docstrings(module_name: str) -> str:
    """Sphinx's directives for the classes and functions of a module, in reStructuredText."""
    module = importlib.import_module(f"miniff.{module_name}")
    parts = [f".. currentmodule:: miniff.{module_name}\n"]
    for name in public_names(module):
        value = getattr(module, name)
        if inspect.isclass(value):
            parts.append(f".. autoclass:: {name}\n   :members:")
            if is_dataclass(value):  # whose fields are described as attributes
                own = ", ".join(field.name for field in fields(value))
                parts.append(f"   :exclude-members: {own}")
            parts.append("")
        elif inspect.isfunction(value):
            parts.append(f".. autofunction:: {name}\n")
        elif name not in potential_families():
            parts.append(f".. py:data:: {name}\n\n   {constant(value).replace('`', '``')}\n")
    return "\n".join(parts)


def constant(value: object) -> str:
    """What a constant holds."""
    if isinstance(value, Mapping | tuple):
        shown = ", ".join(f"`{item}`" for item in list(value)[:12])
        return f"{shown}, ..." if len(value) > 12 else shown
    return kind_of(value)


def potential_families() -> set[str]:
    known = {id(family) for family in FAMILIES.values()}
    return {name for name, value in vars(potentials).items() if id(value) in known}


SYMBOLS = """\
What the formulas have in common:

| symbol | meaning |
|---|---|
| r, r_ij | distance of centre i and neighbour j, below the cutoff |
| r_jk | distance of two neighbours of one centre |
| t | angle at the centre between its neighbours j and k, theta |
| fc(r) | the cutoff function, 1 at r = 0 and 0 at r = a |
| p(r) | exp(-eta (r - r_sphere)^2) fc(r) |
| h1(r), h2(r) | exp(-eta1 r^2) fc(r) and exp(-eta2 r^2) fc(r) |
| C(r), A(t) | windows: 1 midway between `low` and `a` or `left` and `right`, 0 at both ends |
| Z | atomic number |

Cutoff functions (`cutoff_function`), of x = (r/a - cutoff_alpha) / (1 - cutoff_alpha), and 1 where
x is negative:

| name | fc | type in n2p2 |
|---|---|---|
| `none` | 1 | 0 |
| `cosine` | (1 + cos(pi x)) / 2 | 1 |
| `tanh3` | tanh(1 - r/a)^3 | 2 |
| `tanh3_one` | tanh(1 - r/a)^3 / tanh(1)^3 | 3 |
| `exponential` | exp(1 - 1/(1 - x^2)) | 4 |
| `poly1` | 1 + x^2 (2 x - 3) | 5 |
| `poly2` | 1 + x^3 (-6 x^2 + 15 x - 10) | 6 |
| `poly3` | 1 + x^4 (20 x^3 - 70 x^2 + 84 x - 35) | 7 |
| `poly4` | 1 + x^5 (-70 x^4 + 315 x^3 - 540 x^2 + 420 x - 126) | 8 |
"""


PAGES = {"job-files.md": job_files, "families.md": families, "names.md": names} | {
    f"api/{name}.md": partial(module_page, name) for name in MODULES
}


if __name__ == "__main__":
    (FOLDER / "api").mkdir(parents=True, exist_ok=True)
    for page, write in PAGES.items():
        (FOLDER / page).write_text(write())
        print(FOLDER / page)
