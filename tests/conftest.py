"""What all tests share: checked annotations, reproducible examples, the reference data."""

from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch
from hypothesis import settings

# Before anything imports miniff: shapes and types stand in its signatures.
# A whole number is good where a real one is wanted, as it is for Python itself.
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
jaxtyping.install_import_hook(["miniff"], CHECKER)

settings.register_profile("miniff", deadline=None, derandomize=True, database=None)
settings.register_profile("search", deadline=None, database=None, max_examples=5000)
settings.load_profile("miniff")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Reference data next to the checkout, read in place."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}")
    return folder


@pytest.fixture
def as_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Annotations unchecked, as for a user: a wrong shape meets the refusal written for it."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A device that torch serves: the CPU always, a graphics processor where there is one.

    It lists the neighbours of the smallest structures too.
    """
    from miniff.ml._device import _search
    from miniff.potentials._devices import cpu_by_torch

    monkeypatch.setattr(_search, "FEWEST_ATOMS", 0)
    if request.param == "cpu":
        with cpu_by_torch():
            yield "cpu"
    else:
        yield request.param
