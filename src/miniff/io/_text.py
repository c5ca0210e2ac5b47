"""Texts of files: unpacked, in UTF-8, and never more of them than memory has room for."""

import bz2
import gzip
import json
import lzma
from collections.abc import Callable, Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from miniff._memory import free_memory

__all__ = ["FileError", "parse_json", "read_start", "read_text", "refuse_gigantic", "write_text"]

PACKED: Mapping[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
CHUNK = 2**24
COPIES = 4
"""What is read from a text takes about so many times its size in memory."""


class FileError(ValueError):
    """A file cannot be used; the message names it."""


def read_text(path: Path, refusal: type[ValueError] = FileError) -> str:
    """All of a file, unpacked if its name ends in .gz, .bz2 or .xz.

    Args:
        path: The file.
        refusal: What to raise.

    Raises:
        ValueError: A folder, what is no text, a damaged package, or more than there is memory for.
        OSError: A file that the system does not give.
    """
    if path.is_dir():
        raise refusal(f"{path}: is a folder but must be a file")
    refuse_gigantic(path, refusal)
    data = _unpacked(path, refusal)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refusal(
            f"{path}: the file must be text in UTF-8, but byte {error.start} (counted from 0) is "
            f"0x{data[error.start]:02x}, which is none"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def refuse_gigantic(path: Path, refusal: type[ValueError] = FileError) -> None:
    """Refuses a file that is too large for the memory, before it is read."""
    _refuse_size(path, path.stat().st_size, refusal)


def _refuse_size(path: Path, size: int, refusal: type[ValueError]) -> None:
    if size < CHUNK:
        return
    free = free_memory()
    if COPIES * size > free:
        raise refusal(
            f"{path}: there are {_words(size)} or more, which take about "
            f"{_words(COPIES * size)} of memory, but {_words(free)} are free: cut the file into "
            "parts"
        )


def _words(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.3g} GB"


def _unpacked(path: Path, refusal: type[ValueError]) -> bytes:
    with open(path, "rb") as plain:
        unpack = PACKED.get(path.suffix)
        if unpack is None:
            return plain.read()
        try:
            with unpack(plain) as file:
                return b"".join(_chunks(path, file, refusal))
        except (OSError, EOFError, lzma.LZMAError, ValueError) as error:
            if isinstance(error, refusal):
                raise
            raise refusal(f"{path}: cannot be unpacked: {error}") from error


def _chunks(path: Path, file: BufferedIOBase, refusal: type[ValueError]) -> list[bytes]:
    chunks, size = [], 0
    while chunk := file.read(CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        _refuse_size(path, size, refusal)
    return chunks


def read_start(path: Path, n: int = 200) -> str:
    """The first characters of a file, unpacked; none where they are no text."""
    try:
        with PACKED.get(path.suffix, open)(path, "rt", encoding="utf-8-sig") as file:
            return str(file.read(n))
    except (OSError, EOFError, lzma.LZMAError, ValueError):  # whoever reads all of it says why
        return ""


def write_text(path: Path, text: str) -> None:
    """Write a file, packed if its name ends in .gz, .bz2 or .xz."""
    with PACKED.get(path.suffix, open)(path, "wt", encoding="utf-8") as file:
        file.write(text)


def parse_json(
    path: Path,
    text: str,
    refusal: type[ValueError] = FileError,
    object_pairs_hook: Callable[[list[tuple[Any, Any]]], object] | None = None,
) -> object:
    """What a JSON parser makes of the text of a file.

    Raises:
        ValueError: What is no JSON, or is nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=object_pairs_hook)
    except ValueError as error:
        raise refusal(f"{path}: not readable as json: {error}") from None
    except RecursionError:
        raise refusal(f"{path}: not readable as json: it is nested too deeply") from None
