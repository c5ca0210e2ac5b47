"""What a parameter may be, checked when a potential is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite, isinf
from numbers import Real
from typing import Any

import numpy as np

from miniff._checks import unknown_name

__all__ = [
    "ByName",
    "Choice",
    "Numbers",
    "Parameter",
    "Switch",
    "Value",
    "check_parameters",
    "numbers_of",
]

Value = Any
"""What the ``check`` of a parameter returns: a number, a word, or numbers in tuples."""


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
        """The value as a number; one that is none or out of range is refused."""
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"`{name}` is {value!r} but must be a number")
        try:
            number = float(value)
        except OverflowError:  # a whole number of more than 308 digits
            number = inf
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
        """The value, if it is one of the words."""
        if not isinstance(value, str):
            raise TypeError(f"`{name}` is {value!r} but must be one of {', '.join(self.known)}")
        if value not in self.known:
            raise ValueError(unknown_name(f"`{name}`", value, self.known))
        return value


@dataclass(frozen=True)
class Numbers:
    """Several numbers: a list, or a list of lists of equal length.

    Attributes:
        each: What each of them may be.
        depths: 0 where one number will do, 1 where a list will, 2 where a list of lists will.
        at_least: How many there must be in a list.
        text: What they are, with their kind of unit.
    """

    each: Parameter
    depths: tuple[int, ...]
    at_least: int = 1
    text: str = ""
    default: None = None

    def check(self, name: str, value: object) -> Value:
        """The value as tuples of numbers; what is none or out of range is refused."""
        try:
            array = np.asarray(value)
        except ValueError:  # lists of different lengths
            raise ValueError(self._demand(name)) from None
        if array.dtype.kind not in "iuf":
            raise TypeError(self._demand(name))
        if array.ndim not in self.depths:
            raise ValueError(self._demand(name))
        if array.ndim and array.shape[-1] < self.at_least:
            raise ValueError(
                f"`{name}` has {array.shape[-1]} numbers but must have at least {self.at_least}"
            )
        each = self.each
        low = array <= each.low if each.above else array < each.low
        for bad in np.argwhere(low | (array > each.high) | ~np.isfinite(array)).tolist():
            where = "".join(f"[{index}]" for index in bad)
            each.check(f"{name}{where}", array[tuple(bad)].item())
        return _tuples(array.astype(float).tolist())

    def _demand(self, name: str) -> str:
        words = ("a number", "a list of numbers", "a list of lists of numbers of equal length")
        return f"`{name}` must be {' or '.join(words[depth] for depth in self.depths)}"


@dataclass(frozen=True)
class ByName:
    """A number for each species that is named; for none at all by default.

    Attributes:
        each: What each of them may be.
        text: What they are, with their kind of unit.
    """

    each: Parameter
    text: str = ""
    default: tuple[()] = ()

    def check(self, name: str, value: object) -> dict[str, float]:
        """The value as a mapping; numbers out of range are refused."""
        if value == ():
            return {}
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise TypeError(f"`{name}` is {value!r} but must be a mapping of species to numbers")
        return {key: self.each.check(f"{name}[{key}]", own) for key, own in value.items()}


@dataclass(frozen=True)
class Switch:
    """Yes or no; no by default."""

    text: str = ""
    default: bool = False

    def check(self, name: str, value: object) -> bool:
        """The value, if it is true or false."""
        if not isinstance(value, bool):
            raise TypeError(f"`{name}` is {value!r} but must be True or False")
        return value


Known = Parameter | Choice | Numbers | ByName | Switch


def _tuples(nested: Value) -> Value:
    return tuple(map(_tuples, nested)) if isinstance(nested, list) else nested


def check_parameters(
    family: str, known: Mapping[str, Known], given: Mapping[str, object]
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
