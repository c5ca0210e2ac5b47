"""Machine learning: descriptors as torch operations, data sets, networks, network potentials."""

from miniff.ml._activations import ACTIVATIONS, activation
from miniff.ml._auto_recipe import auto_behler_descriptors, auto_cutoff
from miniff.ml._charge_data import ChargeData, Interaction, interactions_of
from miniff.ml._charge_forward import ForwardCharges, ForwardWithCharges, Hardness
from miniff.ml._charge_potential import ChargePotential
from miniff.ml._charge_rules import ChargeRule, Equilibrate, Shift
from miniff.ml._charged_network import ChargedNetwork
from miniff.ml._committee import (
    CommitteeEvaluation,
    committee_members,
    committee_spread,
    eval_committee,
)
from miniff.ml._cut import cut, cut_at
from miniff.ml._dataset import Dataset, Derivatives, feature_moments, feature_ranges
from miniff.ml._descriptors import (
    RECIPES,
    DescriptorChoice,
    DescriptorPlan,
    descriptor_problems,
    load_descriptors,
    plan_descriptors,
    save_descriptors,
)
from miniff.ml._device._choice import device_of
from miniff.ml._device._evaluation import DevicePotentials
from miniff.ml._device._training import dataset_on, normalization_on
from miniff.ml._files import load_potentials, load_provenance, save_potentials
from miniff.ml._filter import FilteredDescriptors, filter_descriptors
from miniff.ml._forward import Prediction, forward_cauldron, forward_committee
from miniff.ml._kept import derivative_bytes
from miniff.ml._layers import Affine, Mean
from miniff.ml._learn import learn_cauldron
from miniff.ml._n2p2 import load_n2p2
from miniff.ml._n2p2_export import save_n2p2
from miniff.ml._networks import SequentialSoleEnergyNN
from miniff.ml._normalization import ComponentChoice, Normalization
from miniff.ml._ops import (
    Environment,
    descriptor_values,
    gather,
    image_gradient,
    image_positions,
)
from miniff.ml._parameter_rows import ParameterRows
from miniff.ml._plain import plain_of, plain_or_name, potential_from_plain
from miniff.ml._points import PerCellDataset, PerPointDataset
from miniff.ml._potential import NNPotential, potentials_from_ml_data
from miniff.ml._processes import ProcessError, Processes, processes_of_torchrun
from miniff.ml._recipe import default_behler_descriptors
from miniff.ml._seen_charges import response_bytes, seeing_charges
from miniff.ml._simple_nn import load_simple_nn
from miniff.ml._stored import stored_dataset

__all__ = [
    "ACTIVATIONS",
    "RECIPES",
    "Affine",
    "ChargeData",
    "ChargePotential",
    "ChargeRule",
    "ChargedNetwork",
    "CommitteeEvaluation",
    "ComponentChoice",
    "Dataset",
    "Derivatives",
    "DescriptorChoice",
    "DescriptorPlan",
    "DevicePotentials",
    "Environment",
    "Equilibrate",
    "FilteredDescriptors",
    "ForwardCharges",
    "ForwardWithCharges",
    "Hardness",
    "Interaction",
    "Mean",
    "NNPotential",
    "Normalization",
    "ParameterRows",
    "PerCellDataset",
    "PerPointDataset",
    "Prediction",
    "ProcessError",
    "Processes",
    "SequentialSoleEnergyNN",
    "Shift",
    "activation",
    "auto_behler_descriptors",
    "auto_cutoff",
    "committee_members",
    "committee_spread",
    "cut",
    "cut_at",
    "dataset_on",
    "default_behler_descriptors",
    "derivative_bytes",
    "descriptor_problems",
    "descriptor_values",
    "device_of",
    "eval_committee",
    "feature_moments",
    "feature_ranges",
    "filter_descriptors",
    "forward_cauldron",
    "forward_committee",
    "gather",
    "image_gradient",
    "image_positions",
    "interactions_of",
    "learn_cauldron",
    "load_descriptors",
    "load_n2p2",
    "load_potentials",
    "load_provenance",
    "load_simple_nn",
    "normalization_on",
    "plain_of",
    "plain_or_name",
    "plan_descriptors",
    "potential_from_plain",
    "potentials_from_ml_data",
    "processes_of_torchrun",
    "response_bytes",
    "save_descriptors",
    "save_n2p2",
    "save_potentials",
    "seeing_charges",
    "stored_dataset",
]
