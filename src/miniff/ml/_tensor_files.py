"""Tensors and plain data in files: whole when written, and checked before anything is made of them.

A file is what ``torch.save`` makes: a zip archive with a checksum for each of its parts, which
torch does not look at. Reading it runs no code from it.
"""

import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path

import torch

from miniff.io import atomic_write

__all__ = ["DamagedFileError", "read_tensors", "write_tensors"]

FIRST_BYTES = b"PK"
NO_TENSORS = "its bytes are no tensors and plain data"


class DamagedFileError(ValueError):
    """The file is none of this kind, or not what was written; the message says why, not where."""


def write_tensors(path: str | Path, content: object) -> None:
    """Writes tensors and plain data, whole or not at all.

    Raises:
        OSError: It cannot be written: no folder, no permission, a full disk.
    """
    buffer = BytesIO()  # torch itself turns errors of the disk into others
    torch.save(content, buffer)
    with atomic_write(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def read_tensors(path: Path) -> object:
    """What a file holds.

    Raises:
        OSError: A file that the system does not give.
        DamagedFileError: It is not what was written, or asks for objects that are no plain data.
    """
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        if file.read(2) == FIRST_BYTES:
            _check_archive(path, size)
    if not size:
        raise DamagedFileError("it is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about files that it did not write
            content = torch.load(path, map_location="cpu", weights_only=True)
        _check_sizes(content, size)
    except DamagedFileError:
        raise
    except pickle.UnpicklingError as error:
        raise DamagedFileError(_reason(error)) from error
    except (RecursionError, MemoryError) as error:
        raise DamagedFileError("it would take too much memory") from error
    except Exception as error:  # whatever torch makes of bytes that it did not write
        raise DamagedFileError(NO_TENSORS) from error
    return content


def _reason(error: pickle.UnpicklingError) -> str:
    """Torch's reason in a sentence, without its advice to run the code of the file."""
    found = re.search(r"(?:GLOBAL|class) ([\w.]+)", str(error))
    if found is None:
        return NO_TENSORS
    return f"it asks for `{found[1]}`, which is no plain data: to read it would run code"


def _check_archive(path: Path, size: int) -> None:
    """Parts are those whose checksums were written; none is packed, so that none can swell."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(part.file_size for part in archive.infolist()) > size:
                raise DamagedFileError("its parts are larger than it is")
            damaged = archive.testzip()
    except DamagedFileError:
        raise
    except Exception as error:  # zipfile has many for bytes that are no archive
        raise DamagedFileError("it is cut off, or its bytes are not those written") from error
    if damaged is not None:
        raise DamagedFileError(f"its part {damaged} is not what was written")


def _check_sizes(content: object, size: int) -> None:
    """A tensor may say that it repeats a number more often than memory has room for."""
    for tensor in _tensors(content):
        if tensor.numel() * tensor.element_size() > size:
            raise DamagedFileError(
                f"a tensor of the shape {tuple(tensor.shape)} is larger than the file"
            )


def _tensors(content: object) -> Iterator[torch.Tensor]:
    if isinstance(content, torch.Tensor):
        yield content
    elif isinstance(content, Mapping):
        for inner in content.values():
            yield from _tensors(inner)
    elif isinstance(content, list | tuple):
        for inner in content:
            yield from _tensors(inner)
