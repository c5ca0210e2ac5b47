"""Limited-memory BFGS for many independent functions at once, each of some rows of numbers.

    p = -H g                  two loops over the last steps s and changes y of g, row sums apart
    x' = x + p                shortened so that no row moves by more than a length

A function without positive curvature along its last step forgets that step; where p would lead
uphill it goes down the gradient. The length is halved for a function that has risen, and grows
again. Without a search along p each step costs one evaluation, as in ASE's optimiser of that name.

Nocedal and Wright, Numerical Optimization, 2nd ed. (Springer, 2006), algorithm 7.4.
"""

from collections import deque

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

__all__ = ["RaggedLbfgs"]

Rows = Float64[ndarray, "n_rows 3"]
MEMORY = 12
STIFFNESS = 70.0
"""Second derivative that is assumed before one is known (energy/length^2), ASE's."""
LONGEST, SHORTEST = 0.2, 0.01
"""Of the moves that are allowed (length)."""


class RaggedLbfgs:
    """Where the minimisations stand."""

    def __init__(self, counts: Int64[ndarray, " n_functions"]) -> None:
        """Functions of so many rows each, at least one, one after the other."""
        self._counts = counts
        self._owner = np.repeat(np.arange(len(counts)), counts)
        self._first = np.cumsum(counts) - counts
        self._history: deque[tuple[Rows, Rows, ndarray]] = deque(maxlen=MEMORY)
        self._last: tuple[Rows, Rows, ndarray] | None = None
        self._scale = np.full(len(counts), 1 / STIFFNESS)
        self._allowed = np.full(len(counts), LONGEST)

    def move(self, x: Rows, gradient: Rows, values: Float64[ndarray, " n_functions"]) -> Rows:
        """The next step from x."""
        if self._last is not None:
            self._learn(x - self._last[0], gradient - self._last[1])
            rose = ~(values <= self._last[2])
            self._allowed = np.where(
                rose,
                np.maximum(self._allowed / 2, SHORTEST),
                np.minimum(self._allowed * 1.5, LONGEST),
            )
        self._last = x.copy(), gradient.copy(), values.copy()
        step = -self._times_inverse(gradient)
        uphill = ~(self._dots(step, gradient) < 0)
        steepest = -self._scale[self._owner, None] * gradient
        step = np.where(uphill[self._owner, None], steepest, step)
        longest = np.sqrt(np.maximum.reduceat(np.einsum("ix,ix->i", step, step), self._first))
        factor = np.minimum(1.0, self._allowed / np.maximum(longest, 1e-300))
        shortened: Rows = step * factor[self._owner, None]
        return shortened

    def kept(self, functions: Bool[ndarray, " n_functions"]) -> "RaggedLbfgs":
        """The minimisations of some of the functions, where they stand."""
        rows, some = functions[self._owner], RaggedLbfgs(self._counts[functions])
        some._history.extend((s[rows], y[rows], rho[functions]) for s, y, rho in self._history)
        some._scale, some._allowed = self._scale[functions], self._allowed[functions]
        if self._last is not None:
            x, gradient, values = self._last
            some._last = x[rows], gradient[rows], values[functions]
        return some

    def _learn(self, step: Rows, change: Rows) -> None:
        sy, yy = self._dots(step, change), self._dots(change, change)
        curved = sy > 1e-10 * np.sqrt(self._dots(step, step) * yy)
        rho = np.divide(1.0, sy, out=np.zeros_like(sy), where=curved)
        self._scale = np.where(curved, sy / np.where(curved, yy, 1.0), self._scale)
        self._history.append((step, change, rho))

    def _times_inverse(self, gradient: Rows) -> Rows:
        q, weights = gradient.copy(), []
        for s, y, rho in reversed(self._history):
            weights.append(rho * self._dots(s, q))
            q -= weights[-1][self._owner, None] * y
        q *= self._scale[self._owner, None]
        for (s, y, rho), weight in zip(self._history, reversed(weights), strict=True):
            q += (weight - rho * self._dots(y, q))[self._owner, None] * s
        return q

    def _dots(self, a: Rows, b: Rows) -> Float64[ndarray, " n_functions"]:
        """Of the rows of each function."""
        dots: ndarray = np.add.reduceat(np.einsum("ix,ix->i", a, b), self._first)
        return dots
