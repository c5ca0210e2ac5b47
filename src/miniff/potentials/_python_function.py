"""A user's Python function, called with whole arrays and checked; its numerical derivatives."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

__all__ = ["Function", "NumericalDerivative", "PythonFunction", "refuse_wrong_derivative"]

Function = Callable[..., object]

PROBES = (0.41, 0.58, 0.73, 0.86, 0.97)
"""Fractions of the cutoff where a function is tried with an array and one by one."""
COSINES = (-0.7, 0.1, 0.8)

STEP = 2e-3
"""Of numerical derivatives: of the cosine, or relative to a distance and to that to the cutoff."""
SMALLEST = 1e-3
"""Of the cutoff: steps do not shrink with the distance to it any more."""
NODES = np.arange(-3, 4)
LAGRANGE = np.linalg.inv(np.vander(NODES, increasing=True).astype(float))  # [power, node]


@dataclass(frozen=True)
class PythonFunction:
    """A function of numbers as a function of arrays.

    Attributes:
        name: What the user calls it.
        function: The function itself.
        arguments: Names of its arguments.
        takes_arrays: Whether it may be called with arrays, or must be called number by number.
    """

    name: str
    function: Function
    arguments: tuple[str, ...]
    takes_arrays: bool

    @staticmethod
    def of(name: str, function: object, arguments: tuple[str, ...], a: float) -> "PythonFunction":
        """Tries the function at a few places to see what it takes.

        Raises:
            TypeError: Something that cannot be called.
            ValueError: A function that takes arrays but mixes up their elements.
        """
        if not callable(function):
            raise TypeError(f"`{name}` is {function!r} but must be a function")
        _refuse_other_arguments(name, function, arguments)
        points = _probes(arguments, a)
        whole = PythonFunction(name, function, arguments, True)
        one_by_one = PythonFunction(name, function, arguments, False)
        together = _attempt(function, points)
        if together is None or not _fits(together, points):
            try:
                one_by_one._loop(points[:, :1])
            except Exception:
                if together is not None and together.ndim:
                    whole._array(points)  # it does take arrays: the sentence about its result
                raise
            return one_by_one
        scale = np.abs(together[np.isfinite(together)]).max(initial=0)
        for place, point in enumerate(points.T):
            alone = _attempt(function, point[:, None])
            if (
                alone is None
                or not _fits(alone, point[:, None])
                or not np.allclose(
                    alone, together[place], rtol=1e-9, atol=1e-9 * scale, equal_nan=True
                )
            ):
                given = "no number" if alone is None else alone.tolist()
                raise ValueError(
                    f"`{name}` gives {together[place]} at {whole._place(points, place)} in an "
                    f"array of several places but {given} alone; it must treat each element by "
                    "itself"
                )
        return whole

    def __call__(self, *arguments: Float64[ndarray, " n"]) -> Float64[ndarray, " n"]:
        """Values at all places, in one call where the function takes arrays.

        Raises:
            ValueError: Results of another shape, or that are no finite numbers: the place is named.
            TypeError: Results that are no real numbers.
        """
        points = np.stack(arguments)
        if points.shape[1] == 0:
            return np.zeros(0)
        values = self._array(points) if self.takes_arrays else self._loop(points)
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise ValueError(
                f"`{self.name}` gives {values[bad[0]]} at {self._place(points, int(bad[0]))} "
                "but must be finite"
            )
        return values

    def _array(self, points: ndarray) -> ndarray:
        values = self._call(points.copy(), points)
        if values.shape != points.shape[1:]:
            raise ValueError(
                f"`{self.name}` gives shape {values.shape} for {points.shape[1]} places, the first "
                f"at {self._place(points, 0)}, but must give {points.shape[1:]}"
            )
        if values.dtype.kind not in "biuf":
            raise TypeError(
                f"`{self.name}` gives numbers of type {values.dtype} at {self._place(points, 0)} "
                "but they must be real"
            )
        return values.astype(np.float64)

    def _loop(self, points: ndarray) -> ndarray:
        values = np.empty(points.shape[1])
        for place, point in enumerate(points.T.tolist()):
            value = self._call(point, points[:, place:])
            if value.shape != () or value.dtype.kind not in "biuf":
                raise TypeError(
                    f"`{self.name}` gives {value.tolist()!r} at {self._place(points, place)} "
                    "but must give a real number"
                )
            values[place] = value
        return values

    def _call(self, arguments: Iterable[object], points: ndarray) -> ndarray:
        try:
            with np.errstate(all="ignore"):  # what is not finite is refused
                return np.asarray(self.function(*arguments))
        except Exception as error:
            error.add_note(f"in `{self.name}`, called at {self._place(points, 0)}")
            raise

    def _place(self, points: ndarray, place: int) -> str:
        return ", ".join(
            f"{name} = {value:.12g}"
            for name, value in zip(self.arguments, points[:, place], strict=True)
        )


@dataclass(frozen=True)
class NumericalDerivative:
    """The derivative of the polynomial of sixth order through seven values of a function.

    The places are centred on the argument, except next to the ends of its range, where all of them
    lie inside: a function need not exist beyond.

    Attributes:
        function: What to differentiate.
        argument: Place of the argument among all.
        a: Cutoff of the distances (length).
    """

    function: PythonFunction
    argument: int
    a: float

    def __call__(self, *arguments: Float64[ndarray, " n"]) -> Float64[ndarray, " n"]:
        x = arguments[self.argument]
        if self.function.arguments[self.argument] == "cos_t":
            step = np.full_like(x, STEP)
            middle = np.clip(x, -1 + 3 * step, 1 - 3 * step)
        else:
            step = STEP * np.minimum(x, np.maximum(self.a - x, SMALLEST * self.a))
            middle = np.minimum(x, self.a - 3.01 * step)
        offset = (x - middle) / step
        slope = np.zeros_like(x)
        for column, node in enumerate(NODES):
            weight = np.polynomial.polynomial.polyval(
                offset, LAGRANGE[1:, column] * np.arange(1, len(NODES))
            )
            moved = list(arguments)
            moved[self.argument] = middle + node * step
            slope += weight * self.function(*moved)
        by_x: ndarray = slope / step
        return by_x


def _refuse_other_arguments(
    name: str, function: Callable[..., object], arguments: tuple[str, ...]
) -> None:
    """Finds out before the first call whether a function takes what it will be given."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # compiled functions have none
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise TypeError(
            f"`{name}` takes {signature} but must take ({', '.join(arguments)}): {error}"
        ) from None


def refuse_wrong_derivative(given: PythonFunction, numerical: NumericalDerivative) -> None:
    """Refuse a derivative that is another function's: one by the angle, say, or of the other sign.

    The two must be within a tenth of each other at half of the probes or more: kinks and tables of
    f may spoil the numerical one here and there.
    """
    points = _probes(given.arguments, numerical.a)
    try:
        expected = numerical(*points)
    except Exception:  # f has no value somewhere there: it is refused where it is needed
        return
    found = given._array(points) if given.takes_arrays else given._loop(points)
    largest = np.maximum(np.abs(found), np.abs(expected))
    differ = np.abs(found - expected) > 0.1 * largest + 1e-6 * np.abs(expected).max()
    if 2 * differ.sum() > len(differ):
        place = int(np.flatnonzero(differ)[0])
        by = given.arguments[numerical.argument]
        raise ValueError(
            f"`{given.name}` gives {found[place]:.6g} at {given._place(points, place)}, where the "
            f"derivative of `{numerical.function.name}` by {by} is {expected[place]:.6g}"
        )


def _probes(arguments: tuple[str, ...], a: float) -> Float64[ndarray, "n_arguments n_probes"]:
    distances = np.multiply(PROBES, a)
    axes = [COSINES if argument == "cos_t" else distances for argument in arguments]
    return np.array(list(product(*axes)), dtype=np.float64).T


def _attempt(function: Function, points: ndarray) -> ndarray | None:
    """What a function gives for arrays; None if it raises."""
    try:
        with np.errstate(all="ignore"):
            return np.asarray(function(*points.copy()))
    except Exception:  # whatever a function of numbers may raise here
        return None


def _fits(values: ndarray, points: ndarray) -> bool:
    """Whether these are real numbers, one for each place."""
    return values.shape == points.shape[1:] and values.dtype.kind in "biuf"
