"""Local potentials and descriptors: families, parameters, evaluation.

A family is called with parameters and gives a potential; a list of potentials is evaluated by
:func:`miniff.kernel.eval` or :meth:`miniff.kernel.CellImages.eval`.
"""

from miniff.potentials._behler import (
    CUTOFF_FUNCTIONS,
    behler2_descriptor_family,
    behler4_descriptor_family,
    behler5_descriptor_family,
)
from miniff.potentials._classical import (
    lj_potential_family,
    sw2_potential_family,
    sw3_potential_family,
)
from miniff.potentials._compact import (
    COMPACT_FORMS,
    polynomial_narrow_descriptor_family,
    polynomial_radial_descriptor_family,
    polynomial_wide_descriptor_family,
    weighted_polynomial_narrow_descriptor_family,
    weighted_polynomial_radial_descriptor_family,
    weighted_polynomial_wide_descriptor_family,
)
from miniff.potentials._evaluation import CompiledPotentials, TableEvaluation, evaluate_table
from miniff.potentials._functions import (
    FunctionPotential,
    Functions,
    LocalPotentialFamily,
    potential_values,
)
from miniff.potentials._local import LocalEnergies, LocalPotential, refuse_short_table
from miniff.potentials._model import ModelBuilder, Precision
from miniff.potentials._parameters import Choice, Parameter
from miniff.potentials._registry import known_families, potential_from_state_dict
from miniff.potentials._weighted import (
    weighted_angular_descriptor_family,
    weighted_radial_descriptor_family,
)

__all__ = [
    "COMPACT_FORMS",
    "CUTOFF_FUNCTIONS",
    "Choice",
    "CompiledPotentials",
    "FunctionPotential",
    "Functions",
    "LocalEnergies",
    "LocalPotential",
    "LocalPotentialFamily",
    "ModelBuilder",
    "Parameter",
    "Precision",
    "TableEvaluation",
    "behler2_descriptor_family",
    "behler4_descriptor_family",
    "behler5_descriptor_family",
    "evaluate_table",
    "known_families",
    "lj_potential_family",
    "polynomial_narrow_descriptor_family",
    "polynomial_radial_descriptor_family",
    "polynomial_wide_descriptor_family",
    "potential_from_state_dict",
    "potential_values",
    "refuse_short_table",
    "sw2_potential_family",
    "sw3_potential_family",
    "weighted_angular_descriptor_family",
    "weighted_polynomial_narrow_descriptor_family",
    "weighted_polynomial_radial_descriptor_family",
    "weighted_polynomial_wide_descriptor_family",
    "weighted_radial_descriptor_family",
]
