"""Data sets on a device come in few parts, and their neighbours in few rows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_device_training import assert_same_loss, objective
from test_kept_derivatives import make_dataset

from miniff.ml import Dataset, cut, dataset_on
from miniff.ml._cut import joined
from miniff.ml._device import _environment
from miniff.ml_util import _place
from miniff.ml_util._deals import Deal
from miniff.ml_util._place import TrainingPlace
from miniff.potentials._devices import cpu_by_torch


def test_pieces_that_are_joined_are_the_whole(device: str) -> None:
    """Values, references and neighbours, and what is evaluated of them."""
    whole = make_dataset()
    again = joined(cut(whole, 1))
    assert len(again) == len(whole) == 3
    for name in ("energy", "gradient", "stress", "structure", "weight"):
        torch.testing.assert_close(
            getattr(again.per_cell_dataset, name),
            getattr(whole.per_cell_dataset, name),
            rtol=0,
            atol=0,
            equal_nan=True,
        )
    core = objective()
    parts = dataset_on(again, torch.device(device), torch.float64)
    there = replace(objective(device), parts=[parts], deals=())
    assert_same_loss(there, core, 1e-11)
    with cpu_by_torch(False):
        assert_same_loss(replace(core, parts=[again], deals=()), core, 1e-12)


def test_what_one_piece_lacks_the_whole_lacks() -> None:
    """Derivatives; charges are refused."""
    first, *rest = cut(make_dataset(), 1)
    alone = Dataset(first.per_cell_dataset, *first.per_point_datasets)
    assert joined([alone, *rest]).derivatives is None
    charged = object.__new__(Dataset)
    vars(charged).update(vars(first), charges=object())
    with pytest.raises(ValueError, match="data sets with charges cannot be joined"):
        joined([charged, *rest])


def test_parts_are_joined_as_far_as_memory_goes(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only neighbours that are alike; who has what is joined with them."""
    place = TrainingPlace(torch.device(device), torch.float64)
    first, *rest = cut(make_dataset(), 1)
    alone = Dataset(first.per_cell_dataset, *first.per_point_datasets)
    parts = [first, *rest, alone, alone]
    deals = [Deal.whole(part) for part in parts]
    for most, sizes in ((1e9, [3, 2]), (1.0, [1] * 5)):
        monkeypatch.setattr(_place, "numbers_at_a_time", lambda *_, most=most: most)
        datasets, shares = place.joined({"train": parts}, {"train": deals}, 2)
        assert [len(part) for part in datasets["train"]] == sizes
        assert [len(deal.owner) for deal in shares["train"]] == sizes
        together = np.concatenate([deal.sizes for deal in shares["train"]])
        np.testing.assert_array_equal(together, [5, 11, 2, 5, 5])
    with cpu_by_torch(False):
        core = TrainingPlace(torch.device("cpu"), torch.float64)
        assert core.joined({"train": parts}, {"train": deals}, 2)[0]["train"] is parts


@pytest.mark.parametrize("numbers", [0.0, 100.0, 500.0, 1e9])
def test_rows_have_few_places_that_no_neighbour_takes(
    numbers: float, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Centres with as many neighbours are together; what is evaluated is the same."""
    monkeypatch.setattr(_environment, "EMPTY_NUMBERS", numbers)
    there = objective(device)
    (part,) = there.parts
    part.keep_derivatives(1e9, exact=True)
    for points in part.per_point_datasets:
        rows = points.on_device.rows
        per_place = 3 * points.features.shape[1]
        empty = [int((~row.taken).sum()) for row in rows]
        assert all(n * per_place <= numbers for n in empty)
        places = torch.cat([row.places for row in rows]).cpu()
        np.testing.assert_array_equal(places.sort().values, np.arange(len(points.features)))
        assert (len(rows) == 1) == (numbers == 1e9)
    assert_same_loss(there, objective(), 1e-11)
