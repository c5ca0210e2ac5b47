"""Recipes, workflows and job files."""

from miniff.ml import default_behler_descriptors, load_potentials, save_potentials
from miniff.ml_util._charge_fit import ChargeFitWorkflow, PreparedChargeFit
from miniff.ml_util._closure import LossResult, SimpleClosure, simple_energy_closure
from miniff.ml_util._errors import Errors, Properties, PropertyError, compare
from miniff.ml_util._fit import FitWorkflow
from miniff.ml_util._fit_result import FitResult
from miniff.ml_util._jobfile import JobError
from miniff.ml_util._jobs import WORKFLOWS, exec_workflows, run_job_file
from miniff.ml_util._loss import LossWeights
from miniff.ml_util._md import MdWorkflow, PreparedMd
from miniff.ml_util._networks import behler_nn
from miniff.ml_util._oneshot import OneShotResult, OneShotWorkflow, PreparedOneShot
from miniff.ml_util._progress import EpochRecord
from miniff.ml_util._relax import PreparedRelax, RelaxWorkflow
from miniff.ml_util._test_relax import PreparedTestRelax, RelaxedPair, RelaxTestWorkflow
from miniff.ml_util._training import PreparedFit

__all__ = [
    "WORKFLOWS",
    "ChargeFitWorkflow",
    "EpochRecord",
    "Errors",
    "FitResult",
    "FitWorkflow",
    "JobError",
    "LossResult",
    "LossWeights",
    "MdWorkflow",
    "OneShotResult",
    "OneShotWorkflow",
    "PreparedChargeFit",
    "PreparedFit",
    "PreparedMd",
    "PreparedOneShot",
    "PreparedRelax",
    "PreparedTestRelax",
    "Properties",
    "PropertyError",
    "RelaxTestWorkflow",
    "RelaxWorkflow",
    "RelaxedPair",
    "SimpleClosure",
    "behler_nn",
    "compare",
    "default_behler_descriptors",
    "exec_workflows",
    "load_potentials",
    "run_job_file",
    "save_potentials",
    "simple_energy_closure",
]
