"""Limited-memory BFGS that asks for values instead of calling for them.

Several minimisations then go on side by side, and all points they ask for are evaluated together.

    p = -H g                            two loops over the last steps s and changes y of g
    x' = x + t p                        t by a search that ends where both hold (strong Wolfe):
    f(x') <= f(x) + DECREASE t g.p      and    |g'.p| <= CURVATURE |g.p|

Nocedal and Wright, Numerical Optimization, 2nd ed. (Springer, 2006), algorithms 7.4, 3.5 and 3.6.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from math import isfinite, sqrt

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.linalg.blas import daxpy, ddot

from miniff._checks import check_not_negative

__all__ = ["Lbfgs", "LbfgsState", "lbfgs_iterations"]

DECREASE, CURVATURE = 1e-4, 0.9
MOST_TRIALS = 25
Point = Float64[ndarray, " n_parameters"]
Value = tuple[float, Float64[ndarray, " n_parameters"]]
Asking = Generator[Point, Value, "LbfgsState"]


@dataclass(frozen=True)
class Lbfgs:
    """Settings.

    Attributes:
        max_iter: Iterations in an epoch.
        history_size: Steps that are remembered.
        tolerance_grad: Done when no component of the gradient is larger.
        tolerance_change: Done when no parameter changes by more in an iteration.
    """

    max_iter: int = 20
    history_size: int = 100
    tolerance_grad: float = 1e-10
    tolerance_change: float = 1e-12

    def __post_init__(self) -> None:
        for name in ("max_iter", "history_size"):
            number = getattr(self, name)
            if not (isinstance(number, int) and number >= 1):
                raise ValueError(f"`{name}` is {number} but must be an integer in [1, inf)")
        for name in ("tolerance_grad", "tolerance_change"):
            check_not_negative(name, getattr(self, name))


@dataclass(frozen=True)
class LbfgsState:
    """Where a minimisation stands between two iterations.

    Attributes:
        point: The best point.
        value: Loss and gradient there; None before the first iteration.
        steps, changes: The last changes of the point and of the gradient, the oldest first.
        converged: Nothing is left to do.
    """

    point: Point
    value: Value | None = None
    steps: list[Point] = field(default_factory=list)
    changes: list[Point] = field(default_factory=list)
    converged: bool = False


def lbfgs_iterations(state: LbfgsState, settings: Lbfgs) -> Asking:
    """Goes on for some iterations; yields points, wants loss and gradient there.

    Raises:
        FloatingPointError: The loss at the very start is not finite.
    """
    value = state.value
    if value is None:
        value = yield state.point
        if not isfinite(value[0]):
            raise FloatingPointError(f"the loss is {value[0]} before anything was learned")
    state = LbfgsState(state.point, value, list(state.steps), list(state.changes))
    products = [ddot(*pair) for pair in zip(state.steps, state.changes, strict=True)]
    for _ in range(settings.max_iter):
        assert state.value is not None
        loss, gradient = state.value
        if np.abs(gradient).max(initial=0.0) <= settings.tolerance_grad:
            return _converged(state)
        direction = _direction(gradient, state.steps, state.changes, products)
        slope = float(gradient @ direction)
        first = 1.0 if state.steps else min(1.0, 1.0 / float(np.abs(gradient).sum()))
        found = yield from _search(state.point, loss, slope, direction, first)
        if found is None:
            if not state.steps:
                return _converged(state)
            state, products = LbfgsState(state.point, state.value), []  # along the gradient then
            continue
        point, value = found
        step, change = point - state.point, value[1] - gradient
        steps, changes = state.steps, state.changes
        if step @ change > 1e-10 * (change @ change):
            steps = [*steps, step][-settings.history_size :]
            changes = [*changes, change][-settings.history_size :]
            products = [*products, ddot(step, change)][-settings.history_size :]
        state = LbfgsState(point, value, steps, changes)
        if np.abs(step).max() <= settings.tolerance_change:
            return _converged(state)
    return state


def _converged(state: LbfgsState) -> LbfgsState:
    return LbfgsState(state.point, state.value, state.steps, state.changes, converged=True)


def _direction(
    gradient: Point, steps: list[Point], changes: list[Point], products: list[float]
) -> Point:
    """-H g, from steps, changes, and the products s.y of both."""
    q, shares = -gradient, []
    for s, y, product in zip(reversed(steps), reversed(changes), reversed(products), strict=True):
        share = ddot(s, q) / product
        q = daxpy(y, q, a=-share)  # in place
        shares.append(share)
    if steps:
        q *= products[-1] / ddot(changes[-1], changes[-1])
    pairs = zip(steps, changes, products, reversed(shares), strict=True)
    for s, y, product, share in pairs:
        q = daxpy(s, q, a=share - ddot(y, q) / product)
    return q


@dataclass(frozen=True)
class _Trial:
    """A length of the step, with the loss there and its slope along the direction."""

    length: float
    loss: float
    slope: float
    value: Value | None = None


def _search(
    point: Point, loss: float, slope: float, direction: Point, first: float
) -> Generator[Point, Value, tuple[Point, Value] | None]:
    """A step that fulfils both conditions, or the best that was seen if it lowers the loss."""
    origin = _Trial(0.0, loss, slope)
    if not slope < 0:
        return None
    low, high, length, best = origin, None, first, origin
    previous = origin
    for _ in range(MOST_TRIALS):
        value = yield point + length * direction
        finite = isfinite(value[0]) and bool(np.isfinite(value[1]).all())
        along = float(value[1] @ direction) if finite else 0.0
        trial = _Trial(length, value[0] if finite else float("inf"), along, value)
        if trial.loss < best.loss:
            best = trial
        too_high = trial.loss > loss + DECREASE * length * slope
        if not too_high and abs(trial.slope) <= -CURVATURE * slope:
            break
        if high is None:  # still going outwards
            if too_high or (trial.loss >= previous.loss and previous is not origin):
                low, high = previous, trial
            elif trial.slope >= 0:
                low, high = trial, previous
            else:
                further = _cubic_minimum(previous, trial)
                previous, low = trial, trial
                length = min(max(further, 2 * length), 10 * length)
                continue
        elif too_high or trial.loss >= low.loss:
            high = trial
        else:
            if trial.slope * (high.length - low.length) >= 0:
                high = low
            low = trial
        width = abs(high.length - low.length)
        if width * float(np.abs(direction).max()) < 1e-15:
            break
        lower, upper = sorted((low.length, high.length))
        inside = _cubic_minimum(low, high)
        length = min(max(inside, lower + 0.1 * width), upper - 0.1 * width)
    if best.value is None:
        return None
    return point + best.length * direction, best.value


def _cubic_minimum(a: _Trial, b: _Trial) -> float:
    """Where the cubic through values and slopes of two trials is least; the middle if nowhere."""
    width = b.length - a.length
    if not isfinite(b.loss) or not isfinite(a.loss) or width == 0:
        return a.length + width / 2
    d1 = a.slope + b.slope - 3 * (b.loss - a.loss) / width
    square = d1 * d1 - a.slope * b.slope
    if square < 0:
        return a.length + width / 2
    d2 = sqrt(square) if width > 0 else -sqrt(square)
    bottom = b.slope - a.slope + 2 * d2
    if bottom == 0:
        return a.length + width / 2
    return b.length - width * (b.slope + d2 - d1) / bottom
