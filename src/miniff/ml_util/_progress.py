"""What the user sees while a workflow runs: messages, a live bar, tables of errors."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from time import monotonic, perf_counter
from types import TracebackType
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from miniff.ml_util._errors import PROPERTIES, Errors, PropertyError
from miniff.units import factor, three_digits

__all__ = [
    "SHOWN",
    "CountProgress",
    "EpochRecord",
    "Level",
    "Reporter",
    "Stopwatch",
    "TrainingProgress",
    "error_text",
    "show",
]

Level = Literal["debug", "info", "warning"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warning")

SHOWN = {
    "energy": ("energy", "meV/atom", 1e3),
    "forces": ("forces", "eV/Å", 1.0),
    "stress": ("stress", "MPa", 1 / factor("MPa")),
    "stress_shear": ("shear stress", "MPa", 1 / factor("MPa")),
    "charges": ("charges", "e", 1.0),
}
"""Title, unit and factor from eV and angstrom of each property."""
LINE_EVERY_S = 10.0
WIDE = 1000
"""Columns of a console on which every table has room."""


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch of training reached.

    Attributes:
        epoch: Counted from 1.
        n_evaluations: Of loss and gradient since the training began.
        loss: Of the training set.
        train: Errors on the training set.
        validation: Errors on the validation set, if there is one.
        wall_time_s: Since the training began.
    """

    epoch: int
    n_evaluations: int
    loss: float
    train: Errors
    validation: Errors | None
    wall_time_s: float

    def as_plain(self) -> dict[str, object]:
        """Plain data."""
        errors = {"train": self.train, "validation": self.validation}
        own = {name: error and error.as_json() for name, error in errors.items()}
        return {**vars(self), **own}

    @staticmethod
    def from_plain(data: Mapping[str, Any]) -> "EpochRecord":
        """The record whose ``as_plain`` this is."""
        own = {
            name: data[name] and Errors.from_json(data[name]) for name in ("train", "validation")
        }
        return EpochRecord(**{**data, **own})


def error_text(errors: Errors) -> str:
    """Root mean square errors on one line."""
    parts = []
    for name in ("energy", "forces", "stress", "charges"):
        error: PropertyError | None = getattr(errors, name)
        if error is not None:
            parts.append(f"{three_digits(error.rmse * SHOWN[name][2])} {SHOWN[name][1]}")
    return ", ".join(parts)


def show(text: str) -> None:
    """To the console, as it stands."""
    Console(highlight=False, soft_wrap=True).print(text, markup=False)


class Stopwatch:
    """Tells how long each stage of some work takes.

    Attributes:
        seconds: Of each stage, by name, in their order.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, name: str) -> None:
        """A stage ends, and the next begins."""
        now = perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now


class Reporter:
    """Writes to the console what its level asks for, and all of it, with times, to `<name>.log`.

    Use it as a context manager.

    Attributes:
        warnings: Those that were said.
    """

    def __init__(
        self, name: str, *, level: Level = "info", append: bool = False, silent: bool = False
    ) -> None:
        """Opens the log in the current folder.

        Args:
            name: Of the workflow.
            level: The least important kind of message to show on the console: ``"warning"`` shows
                neither progress nor tables.
            append: Whether to go on with the log of an earlier stage of the same workflow.
            silent: Write nothing at all: another process does.
        """
        self.name = name
        self.warnings: list[str] = []
        self._least = LEVELS.index(level)
        self._console = Console(highlight=False, soft_wrap=True, quiet=silent)
        path = os.devnull if silent else f"{name}.log"
        self._path = path
        self._file = open(path, "a" if append else "w", encoding="utf-8")  # noqa: SIM115

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._file.close()
            return
        with suppress(OSError):  # what stopped the run may be the disk, and is told anyway
            self.log(f"stopped: {type(error).__name__}: {error}")
        with suppress(OSError):
            self._file.close()

    def debug(self, text: str) -> None:
        """For the curious."""
        self._say("debug", text)

    def info(self, text: str) -> None:
        """What happens."""
        self._say("info", text)

    def warning(self, text: str) -> None:
        """What the user should look at; kept for reports."""
        self.warnings.append(text)
        self._say("warning", text)

    def show_table(self, table: Table, narrow: Table | None = None) -> None:
        """To the console, and without colours to the log.

        Args:
            table: What to show.
            narrow: For a console on which it has no room.
        """
        if self._shows("info"):
            wide = self._console.options.update(max_width=WIDE)
            fits = self._console.measure(table, options=wide).maximum <= self._console.width
            self._console.print(table if fits or narrow is None else narrow)
        plain = Console(file=self._file, width=120, no_color=True, force_terminal=False)
        plain.print(table)
        self._file.flush()

    def table(self, title: str, rows: Mapping[str, Errors]) -> None:
        """Mean absolute / root mean square errors, one row per set of structures."""
        known = {n for n in PROPERTIES if any(getattr(own, n) for own in rows.values())}
        of_energies = [] if known == {"charges"} else PROPERTIES[:-1]
        shown = [*of_energies, *(known & {"charges"})]
        self.show_table(*(_error_table(title, rows, shown, between) for between in (" / ", "\n")))

    @contextmanager
    def training(self, n_epochs: int) -> Iterator["TrainingProgress"]:
        """Shows the epochs: a live bar on a terminal, a line now and then elsewhere."""
        with self.counting(n_epochs) as progress:
            yield TrainingProgress(progress, n_epochs)

    @contextmanager
    def counting(self, total: int) -> Iterator["CountProgress"]:
        """Shows how much of the work is done: a live bar on a terminal, else lines."""
        if not self._console.is_terminal or not self._shows("info") or self._console.quiet:
            yield CountProgress(self, total, None)
            return
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[errors]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        with bar:
            yield CountProgress(self, total, bar)

    def log(self, text: str) -> None:
        """To the file only."""
        time = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
        try:
            self._file.write(f"{time} {text}\n")
            self._file.flush()
        except OSError as error:
            raise OSError(f"{self._path} cannot be written: {error.strerror}") from error

    def print(self, text: str, level: Level = "info") -> None:
        """To the console only."""
        if self._shows(level):
            self._console.print(text, markup=False)

    def _shows(self, level: Level) -> bool:
        return LEVELS.index(level) >= self._least

    def _say(self, level: Level, text: str) -> None:
        marked = f"warning: {text}" if level == "warning" else text
        self.log(marked)
        self.print(f"{self.name}: {marked}", level)


class CountProgress:
    """Told of every step of some work; writes all to the log, and shows what the console bears."""

    def __init__(self, reporter: Reporter, total: int, bar: Progress | None) -> None:
        self._reporter = reporter
        self._total = total
        self._bar = bar
        self._task = bar.add_task(reporter.name, total=total, errors="") if bar else None
        self._last_line = float("-inf")

    def update(self, done: int, line: str, shown: str) -> None:
        """Shows a step.

        Args:
            done: How many there were up to now.
            line: What is said of it in the log, and elsewhere than on a terminal.
            shown: What stands beside the bar.
        """
        self._reporter.log(line)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, errors=shown)
        elif self._is_due(done):
            self._last_line = monotonic()
            self._reporter.print(f"{self._reporter.name}: {line}")

    def _is_due(self, done: int) -> bool:
        is_first = self._last_line == float("-inf")
        return is_first or done == self._total or monotonic() - self._last_line >= LINE_EVERY_S


class TrainingProgress:
    """Told of every epoch."""

    def __init__(self, progress: CountProgress, n_epochs: int) -> None:
        self._progress = progress
        self._n_epochs = n_epochs

    def update(self, record: EpochRecord) -> None:
        """Shows an epoch."""
        watched = "validation" if record.validation else "train"
        errors = f"{watched} RMSE {error_text(record.validation or record.train)}"
        line = (
            f"epoch {record.epoch}/{self._n_epochs}: loss {record.loss:.3e}, {errors}, "
            f"{record.wall_time_s:.0f} s"
        )
        self._progress.update(record.epoch, line, f"loss {record.loss:.2e}, {errors}")


def _error_table(
    title: str, rows: Mapping[str, Errors], shown: Sequence[str], between: str
) -> Table:
    """Both errors of each property and set, side by side or one above the other."""
    kinds = "MAE / RMSE" if between == " / " else "MAE above RMSE"
    table = Table(title=f"{title} ({kinds})", title_justify="left")
    table.add_column("set")
    for name in shown:
        table.add_column(f"{SHOWN[name][0]}\n{SHOWN[name][1]}", justify="right")
    for row, errors in rows.items():
        table.add_row(row, *(_cell(errors, name, between) for name in shown))
    return table


def _cell(errors: Errors, name: str, between: str) -> str:
    error: PropertyError | None = getattr(errors, name)
    if error is None:
        return "-"
    scale = SHOWN[name][2]
    return between.join(three_digits(one * scale) for one in (error.mae, error.rmse))
