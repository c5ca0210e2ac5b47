"""No file makes a reader fail otherwise than with a sentence: some at random, and those once found.

`nox -s fuzz` searches longer, guided by the code that is reached.
"""

import random
import warnings
from pathlib import Path

import pytest
from fuzz_inputs import mutated
from fuzz_readers import READERS, complaint

FOUND = Path(__file__).parent / "data" / "fuzz_found"
N_FILES = 100


@pytest.fixture(autouse=True)
def as_a_user(as_installed: None) -> None:
    """Annotations are unchecked; numpy and ASE warn of numbers that are refused later."""
    warnings.simplefilter("ignore")


@pytest.mark.parametrize("name", READERS)
def test_files_changed_at_random_are_read_or_refused(folder: Path, name: str) -> None:
    """The unchanged ones are read: all but the job, whose files are not there."""
    reader, rng = READERS[name], random.Random(1)
    seeds = reader.seeds()
    for seed in seeds:
        reader.write(folder / reader.file, seed)
        assert complaint(reader, folder, seed) is None
        if name not in ("job", "checkpoint"):
            reader.read(folder / reader.file)
    for _ in range(N_FILES):
        assert complaint(reader, folder, mutated(rng.choice(seeds), rng)) is None


@pytest.mark.parametrize("path", sorted(FOUND.glob("*/*")), ids=lambda path: path.parent.name)
def test_what_was_found_is_mended(folder: Path, path: Path) -> None:
    """Each of these was a traceback, a sentence without a file, or a long wait."""
    assert complaint(READERS[path.parent.name], folder, path.read_bytes()) is None
