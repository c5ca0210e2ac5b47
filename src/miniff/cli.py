"""The command line: ``python -m miniff jobs.yml``, and commands beside it."""

import io
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from miniff._checks import no_such_file, unknown_name
from miniff._commands import (
    INTERRUPTED,
    USER_ERROR,
    convert,
    evaluate,
    info,
    init,
    let_threads_wait,
)
from miniff._commands import sentence_of as _sentence

__all__ = ["main"]


class _Commands(TyperGroup):
    """Whatever does not begin with the name of a command is the job to run.

    A job takes no further word: where there is one, a command is misspelt.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            words = [word for word in args if not word.startswith("-")]
            if len(words) > 1 and not Path(words[0]).exists():
                ctx.fail(unknown_name("command", words[0], self.commands))
            args = [RUN, *args]
        return super().parse_args(ctx, args)


RUN = "run"

app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Fit, test and use force fields: `miniff JOBS.YML` runs a job file, as `miniff run` does; "
    "`miniff --version` says the version.",
)
for command in (info, evaluate, convert, init):
    app.command("eval" if command is evaluate else None)(command)


def _print_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"miniff {version('miniff')}")
        raise typer.Exit
    return wanted


@app.command(RUN)
def run(
    job: Annotated[
        str, typer.Argument(metavar="JOBS.YML", help="The job file, or the word `version`.")
    ],
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say the version."),
    ] = False,
    verbose: Annotated[
        int,
        typer.Option(
            "-v",
            "--verbose",
            count=True,
            show_default=False,
            help="Show every key of the job with its value, unless its `log` says otherwise.",
        ),
    ] = 0,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where in the code an error came from.")
    ] = False,
) -> None:
    """Fit and test force fields as a job file says.

    Files are read and written relative to the current folder. Every workflow leaves its numbers in
    WORKFLOW.json, its messages in WORKFLOW.log and plots in WORKFLOW-*.png; `fit` also leaves
    report.html, a page with all about it.
    """
    del show_version
    if job == "version":
        _print_version(True)
    let_threads_wait()
    # Imported here: torch takes a second, which `--help` need not wait for.
    from miniff.ml import ProcessError, processes_of_torchrun
    from miniff.ml_util import run_job_file

    try:
        processes = processes_of_torchrun()
    except (RuntimeError, OSError) as error:
        typer.echo(f"miniff: the processes of torchrun cannot be joined: {error}", err=True)
        raise typer.Exit(USER_ERROR) from None
    try:
        run_job_file(job, log="debug" if verbose else None)
    except KeyboardInterrupt:
        sentence = "interrupted; what was saved until now is complete"
        if processes.is_first_to_fail(sentence):
            typer.echo(f"miniff: {sentence}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except (ValueError, OSError, FloatingPointError, ProcessError) as error:
        if traceback:
            raise
        sentence = _sentence_about(job, error)
        if processes.is_first_to_fail(sentence):
            typer.echo(f"miniff: {sentence}", err=True)
        raise typer.Exit(USER_ERROR) from None


def _sentence_about(job: str, error: Exception) -> str:
    """What the user reads; of a job file that is not there, which are."""
    is_absent = isinstance(error, FileNotFoundError) and str(error.filename) == job
    return no_such_file(job) if is_absent else _sentence(error)


def main() -> None:
    """The entry point of the command `miniff`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without angstrom signs is no error
    app(prog_name="miniff" if Path(sys.argv[0]).name == "miniff" else "python -m miniff")
