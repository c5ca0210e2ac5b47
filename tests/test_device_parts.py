"""Structures that are not small come in parts, with the pairs within the cutoff alone."""

import pytest
import torch
from contract import TERSOFF
from test_devices import BOTH, assert_same, by_core, cells

from miniff.kernel import eval as evaluate
from miniff.ml import DevicePotentials
from miniff.ml._device import _choice, _evaluation
from miniff.ml._device._energies import SpeciesEnergies
from miniff.potentials import lj_potential_family, tersoff_potential_family


def test_parts_of_any_size_give_the_same(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory bounds what is computed at a time, not what is computed."""
    cell = cells()[0]
    wanted = evaluate(BOTH, cell, device=device)
    monkeypatch.setattr(_evaluation, "SMALL_NUMBERS", 0.0)
    sizes = []
    of = SpeciesEnergies.of

    def counted(self: SpeciesEnergies, values: torch.Tensor) -> torch.Tensor:
        sizes.append(len(values))
        return of(self, values)

    monkeypatch.setattr(SpeciesEnergies, "of", counted)
    for numbers, most in ((1.0, 1), (3e5, 8)):
        monkeypatch.setattr(_evaluation, "numbers_at_a_time", lambda *_, n=numbers: n)
        sizes.clear()
        assert_same(evaluate(BOTH, cell, device=device), wanted, 1e-12)
        assert sum(sizes) == 9
        assert 1 <= max(sizes) <= most


@pytest.mark.parametrize("reach", [2.2, 6.0])
def test_long_sums_do_not_lengthen_others(
    reach: float, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums over pairs of neighbours have their own list beside a long sum over neighbours."""
    monkeypatch.setattr(_evaluation, "SMALL_NUMBERS", 0.0)
    cutoffs = []
    within = _evaluation.TensorTable.within
    monkeypatch.setattr(
        _evaluation.TensorTable,
        "within",
        lambda self, cutoff: cutoffs.append(cutoff) or within(self, cutoff),
    )
    potentials = [
        tersoff_potential_family(**TERSOFF),
        lj_potential_family(epsilon=0.01, sigma=0.5, a=reach / 0.5),
        lj_potential_family(epsilon=0.01, sigma=0.5, a=0.8 * reach / 0.5),
    ]
    found = evaluate(potentials, cells()[0], device=device)
    assert_same(found, by_core(potentials, cells()[0]))
    assert sorted(cutoffs) == ([4.2] if reach < 4.2 else [4.2, 6.0])


def test_short_memory_is_answered_with_smaller_parts(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And refused, with what to change, only if the smallest are too large."""
    tried = []
    whole = DevicePotentials._evaluate

    def short(self: DevicePotentials, table: object, most: float, limit: float = 1e5) -> object:
        tried.append(most)
        if most > limit:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return whole(self, table, most)  # type: ignore[arg-type]

    monkeypatch.setattr(_evaluation, "numbers_at_a_time", lambda *_: 1e6)
    monkeypatch.setattr(_evaluation, "SMALL_NUMBERS", 0.0)
    monkeypatch.setattr(DevicePotentials, "_evaluate", short)
    cell = cells()[0]
    found = evaluate(BOTH, cell, device=device)
    assert tried == [1e6, 2.5e5, _choice.FEWEST]
    monkeypatch.setattr(DevicePotentials, "_evaluate", lambda *args: short(*args, limit=0.0))
    with pytest.raises(
        MemoryError, match=r"has too little memory for 9 atoms with .* pairs: take fewer atoms at a"
    ):
        evaluate(BOTH, cell, device=device)
    assert_same(found, by_core(BOTH, cell))
