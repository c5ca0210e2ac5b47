"""What the page of a fit says."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import yaml
from numpy import ndarray

from miniff.kernel import Finding
from miniff.ml import Dataset
from miniff.ml_util._data import Split
from miniff.ml_util._extrapolation import grades_of
from miniff.ml_util._fit_model import FIT
from miniff.ml_util._fit_result import FitResult
from miniff.ml_util._page import made_of
from miniff.potentials import Potential, is_outside

if TYPE_CHECKING:
    from miniff.presentation._report import Coverage, Report

__all__ = ["PAGE", "Preparation", "coverage_of", "fit_report"]

PAGE = "report.html"
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
MOST_ATOMS = 20000
"""Of each species and set, evenly, for quantiles; the least and greatest values are of all."""


@dataclass(frozen=True)
class Preparation:
    """What happened before training.

    Attributes:
        workflow: Its name.
        init: Arguments of the workflow.
        cache: Folder for descriptors, if there is one.
        seconds: That each stage took.
        warnings: That were said.
        findings: What looks wrong, or should be known.
    """

    workflow: str = FIT
    init: Mapping[str, object] = field(default_factory=dict)
    cache: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    findings: Sequence[Finding] = ()

    def went_on(
        self, warnings: Sequence[str], seconds: Mapping[str, float], findings: Sequence[Finding]
    ) -> "Preparation":
        """With what happened in the training."""
        return replace(
            self,
            warnings=[*self.warnings, *warnings],
            seconds={**self.seconds, **seconds},
            findings=[*self.findings, *findings],
        )


def fit_report(
    result: FitResult,
    cells: Split,
    told: Preparation,
    job: Mapping[str, object],
    provenance: Mapping[str, object],
    coverage: "Sequence[Coverage]",
) -> "Report":
    """All that a page says of a fit.

    Args:
        result: Of the fit.
        cells: Its structures.
        told: What happened.
        job: All arguments.
        provenance: Seed, versions and hash of the data.
        coverage: Of the descriptors.
    """
    from miniff.presentation._report import Report, ReportedSet

    made = made_of(result.potentials)
    save = job["run"]["save"]  # type: ignore[index]
    sentences = {finding.sentence for finding in told.findings}
    saved = {str(save): "the potentials"} if save is not None else {}
    return Report(
        title=f"Fit of {made}",
        made=made,
        sets=[
            ReportedSet(name, own, result.reference[name], result.predicted[name])
            for name, own in cells.sets.items()
        ],
        records=[record.as_plain() for record in result.records],
        coverage=coverage,
        seconds=told.seconds,
        warnings=[text for text in told.warnings if text not in sentences],
        findings=told.findings,
        job=yaml.safe_dump({told.workflow: job}, sort_keys=False, width=100),
        command="The job with every key. Save it as jobs.yml beside the same data, and run "
        "python -m miniff jobs.yml: the same versions, machine and number of threads give the "
        "same numbers.",
        origin=provenance,
        files={
            **saved,
            f"{told.workflow}.json": "the numbers",
            f"{told.workflow}.log": "all messages",
        },
    )


def coverage_of(
    datasets: Mapping[str, Sequence[Dataset]],
    ranges: Sequence[ndarray],
    potentials: Sequence[Potential],
) -> "list[Coverage]":
    """How atoms fill the ranges of their descriptors, by species: those that this process has.

    Args:
        datasets: Parts of each set, by name.
        ranges: Of the descriptors of each species in the training set.
        potentials: What was fitted, which says what is outside of the training set.
    """
    from miniff.presentation._report import Coverage

    outside = {
        name: _n_outside(parts, potentials) for name, parts in datasets.items() if name != "train"
    }
    found = []
    for s, (low, high) in enumerate(ranges):
        points = {
            name: [part.per_point_datasets[s] for part in own] for name, own in datasets.items()
        }
        values = {
            name: np.concatenate([one.features.detach().cpu().numpy() for one in own])
            for name, own in points.items()
        }
        values = {name: own for name, own in values.items() if len(own)}
        first = points["train"][0]
        named = first.functions.potentials if first.functions is not None else []
        found.append(
            Coverage(
                species=str(first.tag),
                descriptors=_names(named, len(low)),
                low=low,
                high=high,
                quantiles={name: _quantiles(own) for name, own in values.items()},
                n_atoms={name: len(own) for name, own in values.items()},
                n_outside={name: own[str(first.tag)] for name, own in outside.items()},
            )
        )
    return found


def _n_outside(parts: Sequence[Dataset], potentials: Sequence[Potential]) -> Counter[str]:
    """Atoms of each species outside of the training set, as every evaluation counts them."""
    found: Counter[str] = Counter()
    for part in parts:
        assert part.derivatives is not None  # but for some of those for training all have them
        table = part.derivatives.table
        codes = table.species[is_outside(grades_of(potentials, table))]
        found.update(table.names[code] for code in codes)
    return found


def _names(functions: Sequence[object], n: int) -> list[str]:
    """Of features, of which the charge may be the last; empty where they are not known."""
    names = [str(one) for one in functions]
    return [*names, "charge"][:n] if names else [""] * n


def _quantiles(values: ndarray) -> ndarray:
    some = values[:: -(-len(values) // MOST_ATOMS)]
    found: ndarray = np.quantile(some, QUANTILES, axis=0).astype(float)
    found[0], found[-1] = values.min(axis=0), values.max(axis=0)
    return found
