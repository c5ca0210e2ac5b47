"""Stops a running LAMMPS from inside a callback, with the reason.

A callback from C has nobody to raise to: Python prints its exception, and LAMMPS goes on without
forces. Nor is a command allowed in the middle of a run, and the library's own ``lammps_error`` is
caught on the spot. But a variable may be set: so a ``fix indent`` of an empty group looks at one as
its radius at each step, of runs and minimisations and before the first, and LAMMPS itself throws
where it is negative. The methods of the Python object through which commands go then raise what
the callback could not. Ctrl-C is only noted while LAMMPS runs: Python would raise it before the
first line of the callback, where nobody can catch it.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import current_thread, main_thread
from typing import Any

__all__ = ["Stop", "stop_of"]

GUARD = "miniff_guard"
"""Names a fix, a group without atoms, and a variable."""
ATTRIBUTE = "_miniff_stop"
METHODS = ("command", "commands_list", "commands_string", "file")


class Stop:
    """The switch of one LAMMPS.

    Attributes:
        reason: What the next method that fails raises; None while nothing is wrong.
    """

    def __init__(self, lmp: Any) -> None:
        """Methods of ``lmp`` raise the reason from now on."""
        self._lmp = lmp
        self._interrupted = False
        self.reason: BaseException | None = None
        for name in METHODS:
            setattr(lmp, name, self._telling(getattr(lmp, name)))
        setattr(lmp, ATTRIBUTE, self)

    def arm(self) -> None:
        """Defines what LAMMPS looks at; after the fix that may fail."""
        lmp = self._lmp
        if lmp.has_id("fix", GUARD):
            lmp.command(f"unfix {GUARD}")
        lmp.command(f"variable {GUARD} internal 1")
        lmp.command(f"group {GUARD} empty")
        lmp.command(f"fix {GUARD} {GUARD} indent 0 sphere 0 0 0 v_{GUARD} units box")
        # It has no energy to add, and would ask others to compute theirs.
        lmp.command(f"fix_modify {GUARD} energy no virial no")

    def check_interrupt(self) -> None:
        """Raises KeyboardInterrupt if there was one since LAMMPS was called."""
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt

    def now(self, reason: BaseException) -> None:
        """LAMMPS says why, and stops before it moves an atom."""
        self.reason = reason
        self._lmp.lib.lammps_error(self._lmp.lmp, 0, f"ERROR: {reason}".encode())
        self._lmp.set_internal_variable(GUARD, -1.0)

    def _telling(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*args: Any) -> Any:
            try:
                with self._interrupts_noted():
                    result = method(*args)
            except Exception as error:
                if self.reason is None:
                    raise
                reason, self.reason = self.reason, None
                self._lmp.set_internal_variable(GUARD, 1.0)
                raise reason from (reason.__cause__ or error)
            self.check_interrupt()
            return result

        return call

    @contextmanager
    def _interrupts_noted(self) -> Iterator[None]:
        """Where Python's own handler would raise them; a handler of the user's is left alone."""
        self._interrupted = False
        if (
            current_thread() is not main_thread()
            or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        ):
            yield
            return
        signal.signal(signal.SIGINT, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, *_: object) -> None:
        self._interrupted = True


def stop_of(lmp: Any) -> Stop:
    """That of a LAMMPS; it has one."""
    known = vars(lmp).get(ATTRIBUTE)
    return known if isinstance(known, Stop) else Stop(lmp)
