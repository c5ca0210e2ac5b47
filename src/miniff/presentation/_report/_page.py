"""The page itself: one file with its figures, their program and its look inside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from bokeh.document import Document
from bokeh.embed import components
from bokeh.model import Model
from bokeh.resources import Resources
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from miniff.io import atomic_write
from miniff.potentials import OUTSIDE
from miniff.presentation._quantities import QUANTITIES
from miniff.presentation._report import _tables as tables
from miniff.presentation._report._bars import coverage_figure, grouped_bars
from miniff.presentation._report._content import Report
from miniff.presentation._report._curves import learning_curves
from miniff.presentation._report._parity import Parity, Words, parity

__all__ = ["is_report", "write_html"]

MARK = '<meta name="generator" content="miniff">'
MOST_BARS = 24
"""Groups that a figure bears; the table has all."""
TITLES = {"energy": "Energy", "forces": "Forces", "stress": "Stress", "charges": "Charges"}


@dataclass(frozen=True)
class _Figure:
    """A figure's place in the page, and what is said below it."""

    place: Markup
    caption: str = ""


def is_report(path: str | Path) -> bool:
    """Whether a file is a page that :func:`write_html` wrote."""
    with open(path, "rb") as file:
        return MARK.encode() in file.read(1000)


def write_html(report: Report, path: str | Path) -> None:
    """Writes the page, whole or not at all; it needs nothing but a browser.

    Args:
        report: What it says.
        path: Of the file.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(_html(report), encoding="utf-8")


def _html(report: Report) -> str:
    drawn = _drawn(report)
    models: dict[str, Model] = {
        f"{part}{k}": model for part, own in drawn.items() for k, (model, _) in enumerate(own)
    }
    script, places = _embedded(models)
    figures = {
        part: [_Figure(Markup(places[f"{part}{k}"]), text) for k, (_, text) in enumerate(own)]
        for part, own in drawn.items()
    }
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    page = environment.from_string(_text("page.html"))
    return page.render(
        mark=Markup(MARK),
        report=report,
        headline=tables.headline(report.sets, report.made),
        errors=tables.error_table(report.sets),
        worst=[tables.worst_by_energy(report.sets), tables.worst_by_forces(report.sets)],
        groups=tables.by_group(report.sets),
        species=tables.by_species(report.sets),
        coverage=tables.coverage_table(report.coverage),
        outside=OUTSIDE,
        figures=figures,
        origin=_origin(report.origin),
        css=Markup(_text("page.css")),
        library=Markup(Resources(mode="inline", components=["bokeh"]).render_js()),
        script=Markup(script),
        date=datetime.now().strftime("%Y-%m-%d %H:%M"),
    )


def _embedded(models: Mapping[str, Model]) -> tuple[str, Mapping[str, str]]:
    """The program that draws the figures, and the place of each."""
    if not models:
        return "", {}
    document = Document()
    with document.models.freeze():  # else what they refer to is counted anew after each
        for model in models.values():
            document.add_root(model)
    script, places = components(models)
    return script, places


def _text(name: str) -> str:
    return files("miniff.presentation._report").joinpath(name).read_text(encoding="utf-8")


Drawn = dict[str, list[tuple[Model, str]]]


def _drawn(report: Report) -> Drawn:
    """Figures and their captions, by part of the page."""
    words = Words(report.sets)
    parities = [
        (found.layout, _caption(name, found))
        for name in QUANTITIES
        if (found := parity(report.sets, name, words)) is not None
    ]
    return {
        "curve": [(plot, "") for plot in learning_curves(report.records)],
        "parity": parities,
        "group": _bars(tables.by_group(report.sets), "group"),
        "species": _bars(tables.by_species(report.sets), "element"),
        "coverage": [(coverage_figure(each), "") for each in report.coverage],
    }


def _caption(name: str, found: Parity) -> str:
    said = f"{TITLES[name]}."
    if name == "energy":
        said += (
            " What a constant for each element explains (least squares) is subtracted from both."
        )
    if found.n_drawn < found.n_all:
        said += (
            f" {found.n_drawn} of {found.n_all} points are drawn: all of the largest errors, fewer "
            "where they lie densest. The numbers are of all."
        )
    return said


def _bars(kinds: tables.Kinds | None, what: str) -> list[tuple[Model, str]]:
    if kinds is None or len(kinds.names) < 2:
        return []
    found: list[tuple[Model, str]] = []
    for name, values in kinds.values.items():
        known = {part: own for part, own in values.items() if any(v == v for v in own)}
        if not known:
            continue
        cut = {part: own[:MOST_BARS] for part, own in known.items()}
        plot = grouped_bars(kinds.names[:MOST_BARS], cut, name)  # type: ignore[arg-type]
        left = len(kinds.names) - MOST_BARS
        text = (
            f"The first {MOST_BARS} of {len(kinds.names)}; the table has all." if left > 0 else ""
        )
        found.append((plot, text or f"{TITLES[name]} by {what}."))
    return found


def _origin(origin: Mapping[str, object]) -> list[tuple[str, str]]:
    """Names and values, nested ones in one line each."""
    return [(name.replace("_", " "), _words(value)) for name, value in origin.items()]


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(own)}" for name, own in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_words, value))
    return str(value)
