"""Files that are no checkpoint of the run at hand are refused by their sentence."""

import json
from pathlib import Path

import pytest
import torch

from miniff.ml._checkpoint import Checkpoint

RUN = {"run": {"n_epochs": 3}}
SAVED = {"format": "miniff checkpoint 1", "run": json.dumps(RUN), "state": {"epoch": 2}}


def test_what_was_saved_comes_back(folder: Path) -> None:
    """Without a file there is nothing to go on from."""
    checkpoint = Checkpoint(Path("fit.checkpoint"), RUN, 0.0)
    assert checkpoint.load() is None
    checkpoint.save({"epoch": 2})
    assert Checkpoint(Path("fit.checkpoint"), RUN, 0.0).load() == {"epoch": 2}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([1.0], r"fit\.checkpoint is no checkpoint: delete fit\.checkpoint to start anew"),
        ({"state": {}}, r"fit\.checkpoint is no checkpoint: delete"),
        ({**SAVED, "format": "miniff checkpoint 0"}, "is of another version of miniff: delete"),
        ({**SAVED, "run": "{"}, r"fit\.checkpoint is no checkpoint: delete"),
        ({**SAVED, "run": "[]"}, r"fit\.checkpoint is no checkpoint: delete"),
        ({**SAVED, "state": 2}, r"fit\.checkpoint is no checkpoint: delete"),
        (
            {**SAVED, "run": json.dumps({"run": {"n_epochs": 4}})},
            "a run that was interrupted, in which `run.n_epochs` was 4, but here it is 3: delete",
        ),
    ],
)
def test_no_run_goes_on_from_something_else(folder: Path, content: object, sentence: str) -> None:
    """With what to do; the file is left where it is."""
    torch.save(content, "fit.checkpoint")
    with pytest.raises(ValueError, match=sentence):
        Checkpoint(Path("fit.checkpoint"), RUN, 0.0).load()
    assert Path("fit.checkpoint").exists()
