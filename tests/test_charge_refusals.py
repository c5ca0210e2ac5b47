"""What jobs with charges refuse, each with its sentence."""

import numpy as np
import pytest
from charge_jobs import INIT, charge_fit, evaluated, fit, write
from charged_networks import potential

from miniff import ml
from miniff.kernel import Cell
from miniff.ml_util import FitWorkflow, JobError, exec_workflows
from miniff.ml_util._place import TrainingPlace
from miniff.potentials._devices import cpu_by_torch


def refused(job, sentence) -> None:
    with pytest.raises((JobError, ValueError), match=sentence):
        exec_workflows(job)


REFUSED = (
    (
        {"charge-fit": charge_fit("shift", charges_key="nothing")},
        "no structure for training has `nothing`",
    ),
    (
        {"charge-fit": charge_fit("shift", fn_cells="bad.xyz")},
        "`q` add up to .* but the total charge is",
    ),
    ({"charge-fit": charge_fit("guess")}, "'shift' or 'equilibrate'"),
    (
        {"charge-fit": charge_fit("shift", widths={"C": -1.0})},
        "widths.C.*it is -1.0 but must be a number above 0",
    ),
    (
        {"charge-fit": charge_fit("shift", widths={"O": 1.0})},
        "`widths`: `O` is not a known species",
    ),
    ({"charge-fit": charge_fit("equilibrate", a=1.0)}, "`a` is 1.0 but must be at least"),
    ({"fit": fit(charges="seen.pt")}, "holds charges with networks that see them already"),
    ({"fit": fit(charges="data.xyz")}, "data.xyz is not a potential file"),
    ({"fit": fit(charges="none.pt")}, "none.pt"),
    ({"fit": fit(charges={"cutoff": 1.0})}, "`cutoff` is not a known key of learned charges"),
    ({"fit": fit(charges={"a": -1.0})}, "it is -1.0 but must be a number above 0"),
    ({"fit": fit(charges={"background": 1})}, "it is 1 but must be true or false"),
    ({"fit": fit(charges={"widths": 1.0})}, "must be a mapping of species to widths"),
    (
        {"fit": fit(charges="learned", n_models=2)},
        "n_models` is 2 but must be 1 where charges are learned",
    ),
    (
        {"fit": fit(charges="learned", run={"optimizer": "kalman"})},
        "is kalman, which cannot be used with",
    ),
    (
        {"fit": fit(charges="charges.pt", run={"optimizer": "levenberg"})},
        "is levenberg, which cannot",
    ),
    ({"fit": fit(run={"w_charges": 1.0})}, "is 1.0 but no charges are learned"),
    (
        {"fit": fit(charges="learned", charges_key="none", run={"w_charges": 1.0})},
        "no structure for training has charges",
    ),
)


def test_wrong_data_and_arguments_are_refused(folder) -> None:
    """Each with its sentence, most before anything runs."""
    pairs = evaluated(potential(), ("molecule",), 8)
    write("data.xyz", pairs)
    bad = [
        Cell(c.vectors, c.coordinates, c.values, {"q": f.charges + 0.1}, pbc=c.pbc)
        for c, f in pairs
    ]
    Cell.save(bad, "bad.xyz")
    ml.save_potentials("charges.pt", [potential()])
    ml.save_potentials("seen.pt", [potential(sees=True)])
    for job, sentence in REFUSED:
        refused(job, sentence)


def test_a_species_without_a_charge_is_refused(folder) -> None:
    """Nothing could be learned for it."""
    box = 20 * np.eye(3)
    cells = [
        Cell(box, [[0.5] * 3, [0.56] * 3], ["C", "H"], {}, pbc=(False,) * 3),
        Cell(box, [[0.5] * 3, [0.56] * 3], ["C", "C"], {"q": np.zeros(2)}, pbc=(False,) * 3),
    ]
    Cell.save(cells, "lone.xyz")
    refused(
        {"charge-fit": charge_fit("shift", fn_cells="lone.xyz", validation_set=0.0)},
        "no atom of H for training has a charge",
    )


def test_what_is_no_charge_is_refused(folder) -> None:
    """The structure is named."""
    box = 20 * np.eye(3)
    for q, sentence in (
        (np.zeros(3), r"lone.xyz.*`q` has shape \(3,\) but must be a number for each of 2 atoms"),
        (np.array([0.0, np.nan]), "`q` must be finite numbers"),
    ):
        own = Cell(box, [[0.5] * 3, [0.56] * 3], ["C", "H"], {"q": q}, pbc=(False,) * 3)
        Cell.save([own, own], "lone.xyz")
        refused({"charge-fit": charge_fit("shift", fn_cells="lone.xyz")}, sentence)


def test_charges_are_learned_on_the_cpu_alone(folder) -> None:
    """A device that is named is refused: in a job, from Python, and when data are moved there."""
    pairs = evaluated(potential(), ("molecule",), 8)
    write("data.xyz", pairs)
    job = fit(charges="learned", n_epochs=1)
    on_device = {**job, "init": {**INIT, "device": "cuda"}}
    refused(
        {"fit": on_device}, "`fit.init.device` is cuda but charges are learned on the CPU alone"
    )
    with pytest.raises(ValueError, match="`device` is cuda but charges are learned on the CPU"):
        FitWorkflow(device="cuda").prepare(fn_cells="data.xyz", charges="learned")
    ml.save_potentials("charges.pt", [potential()])
    for charges in ("learned", "charges.pt"):
        with cpu_by_torch():
            refused(
                {"fit": fit(charges=charges, n_epochs=1)}, "charges are learned on the CPU only"
            )


@pytest.mark.parametrize(("charges", "name"), [("learned", "cpu"), (None, "auto")])
def test_the_best_device_for_charges_is_the_cpu(folder, monkeypatch, charges, name) -> None:
    """`auto` takes it for them, whatever else there is."""
    write("data.xyz", evaluated(potential(), ("molecule",), 8))
    of, named = TrainingPlace.of, []

    def noted(name, *more):
        named.append(name)
        return of(name, *more)

    monkeypatch.setattr(TrainingPlace, "of", staticmethod(noted))
    job = fit(n_epochs=1, **({} if charges is None else {"charges": charges}))
    exec_workflows({"fit": {**job, "init": {**INIT, "device": "auto"}}})
    assert named == [name]
