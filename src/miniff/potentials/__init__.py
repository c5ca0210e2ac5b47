"""Local potentials and descriptors: families, parameters, evaluation.

A family is called with parameters and gives a potential; a list of potentials is evaluated by
:func:`miniff.kernel.eval` or :meth:`miniff.kernel.CellImages.eval`.
"""

from miniff._neighbors import PairSearch
from miniff.potentials._behler import (
    behler2_descriptor_family,
    behler4_descriptor_family,
    behler5_descriptor_family,
)
from miniff.potentials._classical import (
    buckingham_potential_family,
    harmonic_repulsion_potential_family,
    lj_potential_family,
    morse_potential_family,
    on_site_potential_family,
    sw2_potential_family,
    sw3_mixed_potential_family,
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
from miniff.potentials._coulomb import (
    ChargeFamily,
    FixedChargePotential,
    dsf_potential_family,
    ewald_k_potential_family,
    ewald_real_potential_family,
    ewald_self_potential_family,
    ewald_total_potential_family,
    wolf_potential_family,
)
from miniff.potentials._counting import counted_once
from miniff.potentials._coverage import (
    OneSidedPairWarning,
    refuse_uncovered_species,
    refuse_unknown_species,
    warn_of_one_sided_pairs,
)
from miniff.potentials._descriptors import (
    behler5x_descriptor_family,
    sigmoid_descriptor_family,
)
from miniff.potentials._devices import Evaluator, ready_potentials, ready_search
from miniff.potentials._embedded_atom import eam_potential_family
from miniff.potentials._evaluation import CompiledPotentials, evaluate_table
from miniff.potentials._functions import (
    FunctionPotential,
    Functions,
    LocalPotentialFamily,
    potential_values,
)
from miniff.potentials._general import (
    GeneralPotential,
    general_pair_potential_family,
    general_triple_potential_family,
)
from miniff.potentials._lammps import (
    eam_potentials,
    funcfl_potentials,
    lammps_sw_potentials,
    lammps_tersoff_potentials,
    setfl_potentials,
)
from miniff.potentials._local import (
    LocalEnergies,
    LocalPotential,
    LongRangePotential,
    Potential,
    TableEvaluation,
    listed_potentials,
    refuse_long_range,
    refuse_short_table,
)
from miniff.potentials._model import CoreNetworks, ModelBuilder, Precision
from miniff.potentials._parameters import ByName, Choice, Numbers, Parameter, Switch
from miniff.potentials._registry import (
    charge_families,
    function_from_state_dict,
    known_families,
    potential_from_state_dict,
)
from miniff.potentials._symmetry import CUTOFF_FUNCTIONS
from miniff.potentials._tersoff import tersoff_potential_family
from miniff.potentials._training import (
    OUTSIDE,
    Farthest,
    TrainingMoments,
    TrainingSet,
    distances,
    is_outside,
    larger_grade,
)
from miniff.potentials._turning_point import behler_turning_point
from miniff.potentials._weighted import (
    weighted_angular_descriptor_family,
    weighted_radial_descriptor_family,
)
from miniff.potentials._zbl import zbl_potential_family

__all__ = [
    "COMPACT_FORMS",
    "CUTOFF_FUNCTIONS",
    "OUTSIDE",
    "ByName",
    "ChargeFamily",
    "Choice",
    "CompiledPotentials",
    "CoreNetworks",
    "Evaluator",
    "Farthest",
    "FixedChargePotential",
    "FunctionPotential",
    "Functions",
    "GeneralPotential",
    "LocalEnergies",
    "LocalPotential",
    "LocalPotentialFamily",
    "LongRangePotential",
    "ModelBuilder",
    "Numbers",
    "OneSidedPairWarning",
    "PairSearch",
    "Parameter",
    "Potential",
    "Precision",
    "Switch",
    "TableEvaluation",
    "TrainingMoments",
    "TrainingSet",
    "behler2_descriptor_family",
    "behler4_descriptor_family",
    "behler5_descriptor_family",
    "behler5x_descriptor_family",
    "behler_turning_point",
    "buckingham_potential_family",
    "charge_families",
    "counted_once",
    "distances",
    "dsf_potential_family",
    "eam_potential_family",
    "eam_potentials",
    "evaluate_table",
    "ewald_k_potential_family",
    "ewald_real_potential_family",
    "ewald_self_potential_family",
    "ewald_total_potential_family",
    "funcfl_potentials",
    "function_from_state_dict",
    "general_pair_potential_family",
    "general_triple_potential_family",
    "harmonic_repulsion_potential_family",
    "is_outside",
    "known_families",
    "lammps_sw_potentials",
    "lammps_tersoff_potentials",
    "larger_grade",
    "listed_potentials",
    "lj_potential_family",
    "morse_potential_family",
    "on_site_potential_family",
    "polynomial_narrow_descriptor_family",
    "polynomial_radial_descriptor_family",
    "polynomial_wide_descriptor_family",
    "potential_from_state_dict",
    "potential_values",
    "ready_potentials",
    "ready_search",
    "refuse_long_range",
    "refuse_short_table",
    "refuse_uncovered_species",
    "refuse_unknown_species",
    "setfl_potentials",
    "sigmoid_descriptor_family",
    "sw2_potential_family",
    "sw3_mixed_potential_family",
    "sw3_potential_family",
    "tersoff_potential_family",
    "warn_of_one_sided_pairs",
    "weighted_angular_descriptor_family",
    "weighted_polynomial_narrow_descriptor_family",
    "weighted_polynomial_radial_descriptor_family",
    "weighted_polynomial_wide_descriptor_family",
    "weighted_radial_descriptor_family",
    "wolf_potential_family",
    "zbl_potential_family",
]
