"""How findings name structures and numbers."""

from collections.abc import Sequence

__all__ = ["digits", "listed", "of_all", "were"]

MOST_NAMED = 3


def listed(sources: Sequence[str]) -> str:
    """The first few by name, the others by number."""
    named = "; ".join(sources[:MOST_NAMED])
    left = len(sources) - MOST_NAMED
    return named if left <= 0 else f"{named}; and {left} more"


def were(n: int, one: str, many: str) -> str:
    """The word for one or for many."""
    return one if n == 1 else many


def of_all(n: int, n_all: int) -> str:
    """``3 of 25 structures``."""
    return f"{n} of {n_all} {were(n_all, 'structure', 'structures')}"


def digits(value: float) -> str:
    """Three digits."""
    return f"{value:.3g}"
