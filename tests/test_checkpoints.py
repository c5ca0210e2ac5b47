"""Files that are no checkpoint of the run at hand are refused by their sentence."""

import json
import re
from pathlib import Path

import pytest
import torch

from miniff.ml._checkpoint import Checkpoint, Progress, progress_in

RUN = {"run": {"n_epochs": 3}}
STATE = {"epoch": 2}
TWO = {"done": 2, "total": 3, "what": "epochs"}
SAVED = {
    "format": "miniff checkpoint 2",
    "run": json.dumps(RUN),
    "state": STATE,
    "progress": TWO,
}


def test_what_was_saved_comes_back(folder: Path) -> None:
    """Without a file there is nothing to go on from."""
    checkpoint = Checkpoint(Path("fit.checkpoint"), RUN, 0.0)
    assert checkpoint.load() is progress_in(checkpoint.path) is None
    checkpoint.save(STATE, Progress(**TWO))
    assert Checkpoint(Path("fit.checkpoint"), RUN, 0.0).load() == STATE
    assert progress_in(checkpoint.path) == Progress(2, 3, "epochs")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([1.0], r"fit\.checkpoint is no checkpoint: delete fit\.checkpoint to start anew"),
        ({"state": {}}, r"fit\.checkpoint is no checkpoint: delete"),
        ({**SAVED, "format": "miniff checkpoint 1"}, "is of another version of miniff: delete"),
        ({**SAVED, "run": "{"}, r"fit\.checkpoint is no checkpoint: delete"),
        ({**SAVED, "run": "[]"}, r"fit\.checkpoint is no checkpoint: delete"),
        ({**SAVED, "state": 2}, r"fit\.checkpoint is no checkpoint: delete"),
        ({**SAVED, "progress": {**TWO, "done": "2"}}, r"fit\.checkpoint is no checkpoint: delete"),
        (
            {**SAVED, "run": json.dumps({"run": {"n_epochs": 4}})},
            r"fit\.checkpoint belongs to another run, of which 2 of 3 epochs are made: "
            r"`run\.n_epochs` was 4 but here it is 3\. Delete fit\.checkpoint to start anew, which "
            "writes over what that run has written, or give this one what that one had, and it",
        ),
        (
            {**SAVED, "run": "{}", "progress": {**TWO, "done": 3}},
            r"another run, which is complete \(3 epochs\): `run` was not given but here it is .*, "
            "or run this one in another folder$",
        ),
    ],
)
def test_no_run_goes_on_from_something_else(folder: Path, content: object, sentence: str) -> None:
    """With what to do; the file is left where it is."""
    torch.save(content, "fit.checkpoint")
    with pytest.raises(ValueError, match=sentence):
        Checkpoint(Path("fit.checkpoint"), RUN, 0.0).load()
    assert Path("fit.checkpoint").exists()


def test_differences_are_told_in_units_and_without_hashes(folder: Path) -> None:
    """What is too long to be read, or a hash, is another; of many the first are told."""
    one = {"a": {"sha256": "0" * 64}, "b": 2.0, "c": "x" * 99, "d": None, "e": 1, "f": 2}
    other = {"a": {"sha256": "1" * 64}, "b": 5.0, "c": "y" * 99, "d": True, "e": 2, "f": 3}
    path = Path("md.checkpoint")
    Checkpoint(path, one, 0.0).save({}, Progress(5, 5, "steps"))
    sentence = (
        "md.checkpoint belongs to another run, which is complete (5 steps): `a.sha256` is another, "
        "`b` was 1 fs but here it is 2.5 fs, `c` is another, `d` was not given but here it is "
        "True, and 2 more. Delete md.checkpoint"
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Checkpoint(path, other, 0.0, units={"b": (2.0, "fs")}).load()


def test_what_is_no_checkpoint_has_no_progress(folder: Path) -> None:
    """And is no reason to stop before its reader says what is wrong."""
    path = Path("md.checkpoint")
    path.write_text("nonsense")
    assert progress_in(path) is None
    torch.save([1.0], path)
    assert progress_in(path) is None
