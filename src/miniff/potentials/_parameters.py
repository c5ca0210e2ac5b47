"""What a parameter may be, checked when a potential is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite, isinf
from numbers import Real

from miniff._checks import unknown_name

__all__ = ["Choice", "Parameter", "Value", "check_parameters", "numbers_of"]

Value = float | str


@dataclass(frozen=True)
class Parameter:
    """A number a potential needs, and the range it may lie in.

    Attributes:
        low: Least value allowed; ``above`` excludes it.
        high: Largest value allowed.
        default: Taken where none is given; None demands one.
        text: What it is, with its kind of unit.
    """

    low: float = -inf
    high: float = inf
    default: float | None = None
    above: bool = False
    text: str = ""

    def check(self, name: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"`{name}` is {value!r} but must be a number")
        number = float(value)
        inside = self.low < number if self.above else self.low <= number
        if not (inside and number <= self.high and isfinite(number)):  # also refuses nan
            opening = "(" if self.above or isinf(self.low) else "["
            closing = ")" if isinf(self.high) else "]"
            raise ValueError(
                f"`{name}` is {value} but must be in {opening}{self.low}, {self.high}{closing}"
            )
        return number


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    known: tuple[str, ...]
    default: str | None = None
    text: str = ""

    def check(self, name: str, value: object) -> str:
        if not isinstance(value, str):
            raise TypeError(f"`{name}` is {value!r} but must be one of {', '.join(self.known)}")
        if value not in self.known:
            raise ValueError(unknown_name(f"`{name}`", value, self.known))
        return value


def check_parameters(
    family: str, known: Mapping[str, Parameter | Choice], given: Mapping[str, object]
) -> dict[str, Value]:
    """The complete set of parameters, defaults filled in, in the order of `known`.

    Raises:
        TypeError: Unknown names, missing ones, wrong types.
        ValueError: Values out of range.
    """
    for name in given:
        if name not in known:
            raise TypeError(f"{family}: {unknown_name('parameter', name, known)}")
    values: dict[str, Value] = {}
    for name, parameter in known.items():
        value = given.get(name, parameter.default)
        if value is None:
            raise TypeError(f"{family}: `{name}` is missing; known: {', '.join(known)}")
        values[name] = parameter.check(name, value)
    return values


def numbers_of(values: Mapping[str, Value], *names: str) -> dict[str, float]:
    """Those of the checked values that have these names, as the core takes them."""
    return {name: float(values[name]) for name in names}
