"""Where potentials are evaluated: the compiled core serves the CPU, torch every other device.

torch lives floors above: what evaluates potentials with it is handed to :func:`set_torch` when
``miniff.ml`` is loaded, which happens here only if another device than the CPU is asked for.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Protocol, runtime_checkable

from miniff._neighbors import NeighborTable, PairSearch, search_pairs
from miniff.potentials._evaluation import CompiledPotentials
from miniff.potentials._local import Potential, TableEvaluation
from miniff.potentials._model import Precision

__all__ = [
    "Evaluator",
    "cpu_by_torch",
    "is_cpu_by_torch",
    "needs_torch",
    "ready_potentials",
    "ready_search",
    "set_torch",
]


@runtime_checkable
class Evaluator(Protocol):
    """Potentials made ready for tables with certain species on a device."""

    @property
    def names(self) -> tuple[str, ...]:
        """The species of the tables it can evaluate."""

    def evaluate(self, table: NeighborTable) -> TableEvaluation:
        """Energy, gradient and strain derivative of every structure of a table."""


MakeEvaluator = Callable[[Sequence[Potential], tuple[str, ...], Precision, str], Evaluator]
MakeSearch = Callable[[Sequence[Potential], str], PairSearch]

_by_torch: list[tuple[MakeEvaluator, MakeSearch]] = []
_cpu_by_torch: ContextVar[bool] = ContextVar("cpu_by_torch", default=False)


def set_torch(evaluator: MakeEvaluator, search: MakeSearch) -> None:
    """What evaluates potentials, and what finds pairs, on other devices."""
    _by_torch[:] = [(evaluator, search)]


@contextmanager
def cpu_by_torch(on: bool = True) -> Iterator[None]:
    """For tests: until it ends, the CPU is a device like any other; or, if not on, the core's."""
    token = _cpu_by_torch.set(on)
    try:
        yield
    finally:
        _cpu_by_torch.reset(token)


def is_cpu_by_torch() -> bool:
    """Whether :func:`cpu_by_torch` says so."""
    return _cpu_by_torch.get()


def needs_torch(device: str) -> bool:
    """Whether it takes torch to evaluate there, or to tell if it does."""
    return device != "cpu" or is_cpu_by_torch()


def ready_potentials(
    potentials: Sequence[Potential],
    names: tuple[str, ...],
    *,
    precision: Precision = "double",
    device: str = "cpu",
) -> Evaluator:
    """Potentials made ready for tables with certain species: build once, evaluate often.

    Args:
        potentials: Their energies are summed.
        names: The species of the tables to come.
        precision: As in :class:`CompiledPotentials`.
        device: ``"cpu"``, which is the compiled core; a device of torch, such as ``"cuda"`` or
            ``"cuda:1"``; or ``"auto"``, a graphics processor if torch finds one, else the CPU.

    Raises:
        ValueError: An unknown precision, or a device that is not there.
        TypeError: Potentials that cannot be evaluated in single precision.
    """
    if not needs_torch(device):
        return CompiledPotentials(potentials, names, precision=precision)
    import_module("miniff.ml")
    evaluator, _ = _by_torch[0]
    return evaluator(potentials, names, precision, device)


def ready_search(potentials: Sequence[Potential], *, device: str = "cpu") -> PairSearch:
    """What finds the pairs of one structure for potentials on a device: the device, if it can.

    The CPU finds them for itself, for a device where there is no search, and if it has to evaluate
    some of the potentials, which need the same list.

    Args:
        potentials: What the pairs are for.
        device: As in :func:`ready_potentials`.

    Raises:
        ValueError: A device that is not there.
    """
    if not needs_torch(device):
        return search_pairs
    import_module("miniff.ml")
    _, search = _by_torch[0]
    return search(potentials, device)
