"""Pictures made of letters, for terminals and logs."""

from collections.abc import Sequence

import numpy as np
from numpy import ndarray

from miniff._checks import check_finite, check_shape

__all__ = ["text_bars"]

BARS = " ▁▂▃▄▅▆▇█"


def text_bars(
    values: Sequence[float] | ndarray, low: float | None = None, high: float | None = None
) -> str:
    """A bar for each value, one letter wide and in eighths of its height: ``▁▃▆█``.

    Args:
        values: The numbers.
        low: What has no bar; the least value, or 0 if none is negative, by default.
        high: What has a full one; the largest value by default. What lies beyond has one too.

    Raises:
        ValueError: No row of finite numbers, or ``high`` not above ``low``.
    """
    numbers = np.asarray(values, float)
    check_shape("values", numbers, ("n_values",))
    check_finite("values", numbers)
    bottom = float(min(numbers.min(initial=0.0), 0.0)) if low is None else low
    top = float(numbers.max(initial=bottom)) if high is None else high
    if high is None and top == bottom:
        top = bottom + 1.0
    if not bottom < top:
        raise ValueError(f"`high` is {top} but must be above `low`, {bottom}")
    eighths = np.rint(np.clip((numbers - bottom) / (top - bottom), 0, 1) * (len(BARS) - 1))
    return "".join(BARS[n] for n in eighths.astype(int))
