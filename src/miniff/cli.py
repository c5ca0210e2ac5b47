"""The command line: ``python -m miniff jobs.yml``."""

import io
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["main"]

USER_ERROR, INTERRUPTED = 2, 130

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"miniff {version('miniff')}")
        raise typer.Exit
    return wanted


@app.command()
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
    WORKFLOW.json, its messages in WORKFLOW.log and plots in WORKFLOW-*.png.
    """
    del show_version
    if job == "version":
        _print_version(True)
    # The core and torch have a team of threads each. One that waits must not take the processor
    # from the one that works; this is read when they are loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
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
        if processes.is_first_to_fail(_sentence(error)):
            typer.echo(f"miniff: {_sentence(error)}", err=True)
        raise typer.Exit(USER_ERROR) from None


def _sentence(error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"there is no file {error.filename}"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def main() -> None:
    """The entry point of the command `miniff`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without angstrom signs is no error
    app(prog_name="miniff" if Path(sys.argv[0]).name == "miniff" else "python -m miniff")
