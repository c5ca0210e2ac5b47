"""Changes of a file at random that leave most of it as it was: lines, words, JSON, bytes."""

import json
import random
from collections.abc import Callable
from typing import Any

__all__ = ["mutated"]

WORDS = (
    *("nan", "inf", "-inf", "1e400", "1e308", "-1e308", "5e-324", "-1", "0", "1", "2", "3", "0.5"),
    *("99999999999999999999", "1000000000", "2147483648", "9" * 5000, "T", "F", "true", "null"),
    *(
        "~",
        "Si",
        "O",
        "X",
        "si",
        "é",
        "٣",
        "\x00",
        "\x85",
        "\ufeff",
        "*",
        "..",
        "[" * 600,
        "{" * 600,
    ),
    *("'", '"', "\\", "#", ":", "=", "&a", "*a", "<<", "!!int", "!!bool ''", "!!timestamp x", "\t"),
    *(
        "!!python/object/apply:os.system ['true']",
        "!!binary x",
        "2001-01-01",
        "0x",
        "1_000",
        "1:30",
    ),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2, 2**70, 10**400, 1e308, float("nan"), float("inf"), 0.5),
    *("", "Si", "O", "Si-Si", "x", "numpy", [], {}, [[]], [1, "a"], [[1], [1, 2]], {"a": 1}),
    *(
        [0] * 3,
        [[0.0] * 3] * 3,
        {"_type": "numpy", "data": [1]},
        {"tensor": [1.0], "type": "float32"},
    ),
)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The content of a file after one to four changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice((_lines, _words, _words, _json, _json, _bytes))(data, rng)
    return data


def _lines(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True) or [b""]
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(other, lines[at])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines = lines[:at]
        case _:
            lines[at] = lines[at].rstrip(b"\n")
    return b"".join(lines)


def _words(data: bytes, rng: random.Random) -> bytes:
    """Another word in place of one, before it, or none."""
    words = data.split(b" ")
    at = rng.randrange(len(words))
    new = rng.choice((*WORDS, "")).encode()
    match rng.randrange(3):
        case 0:
            words[at] = new
        case 1:
            head, line, tail = words[at].partition(b"\n")
            words[at] = new + line + tail if head else head + line + new
        case _:
            words.insert(at, new)
    return b" ".join(words)


def _bytes(data: bytes, rng: random.Random) -> bytes:
    if not data:
        return bytes([rng.randrange(256)])
    at, n = rng.randrange(len(data)), rng.choice((1, 1, 2, 8, 64))
    new = bytes(rng.randrange(256) for _ in range(n))
    return data[:at] + rng.choice((new, b"")) + data[at + rng.choice((0, n)) :]


def _json(data: bytes, rng: random.Random) -> bytes:
    """A part of JSON changed; words where it is none."""
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return _words(data, rng)
    root = [tree]
    holder, key = rng.choice(list(_places(root)))
    match rng.randrange(4) if isinstance(holder, dict) else rng.randrange(3):
        case 0 if holder is not root:
            del holder[key]
        case 3:
            holder[rng.choice(("", "x", "_type", *holder))] = holder.pop(key)
        case _:
            holder[key] = rng.choice((*VALUES, holder[key], root[0]))
    try:
        return json.dumps(root[0]).encode()
    except ValueError:  # it contains itself
        return data


def _places(holder: Any) -> Any:
    """All places in nested data."""
    items: Callable[[], Any] = {dict: lambda: list(holder.items())}.get(
        type(holder), lambda: enumerate(holder)
    )
    for key, value in items():
        yield holder, key
        if isinstance(value, dict | list):
            yield from _places(value)
