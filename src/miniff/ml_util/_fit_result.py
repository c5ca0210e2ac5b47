"""What a fit leaves behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from miniff.kernel import Finding
from miniff.ml_util._errors import Errors, Properties, compare
from miniff.ml_util._outputs import write_learning_curve, write_parities, write_report
from miniff.ml_util._progress import EpochRecord
from miniff.potentials import Potential

__all__ = ["FitResult", "write_fit"]


@dataclass(frozen=True)
class FitResult:
    """Trained potentials and how good they are.

    Attributes:
        potentials: The baseline, if there is one; then a network per species, or the mean of
            several, of those with the lowest validation loss.
        records: One per epoch.
        reference: Reference values of each set, by name.
        predicted: What the potentials give for them.
        spread: Standard deviation of what the members of a committee give; empty without one.
        pressure: By how much the diagonal of the training set's stresses lies beside the
            derivatives of its energies (energy/length^3); None where stress was not fitted.
        wall_time_s: Time of the training.
    """

    potentials: list[Potential]
    records: list[EpochRecord]
    reference: Mapping[str, Properties]
    predicted: Mapping[str, Properties]
    spread: Mapping[str, Properties]
    pressure: float | None
    wall_time_s: float

    @property
    def errors(self) -> dict[str, Errors]:
        """Of each set, by name."""
        return {
            name: compare(self.reference[name], self.predicted[name]) for name in self.reference
        }


def write_fit(
    name: str,
    result: FitResult,
    provenance: Mapping[str, object],
    findings: Sequence[Finding],
) -> None:
    """`<name>.json`, where no validation set is null, and plots of convergence and parity."""
    errors: dict[str, object] = {"train": None, "validation": None}
    errors |= {part: error.as_json() for part, error in result.errors.items()}
    found = [finding.as_json() for finding in findings]
    more = {**provenance, "stress_offset": result.pressure, "findings": found}
    write_report(name, errors, result.wall_time_s, more, result.records)
    write_learning_curve(name, result.records)
    write_parities(name, result.reference, result.predicted)
