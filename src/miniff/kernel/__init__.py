"""Structures, their neighbours, and potentials evaluated on them."""

from miniff._neighbors import ListedAtoms
from miniff.kernel._batch import batch_adf, batch_rdf
from miniff.kernel._cell import Cell
from miniff.kernel._doctor import Checkup, Finding, check_data
from miniff.kernel._eval import Evaluation, atomic_virials, eval
from miniff.kernel._extrapolation import (
    Episodes,
    ExtrapolationError,
    ExtrapolationWarning,
    words_of_farthest,
)
from miniff.kernel._images import CellImages, compute_images
from miniff.kernel._many import eval_many
from miniff.kernel._mapping import StructureFailure, map_structures
from miniff.kernel._scans import profile, profile_directed_strain, profile_strain
from miniff.kernel._skin import Placement, SkinList

__all__ = [
    "Cell",
    "CellImages",
    "Checkup",
    "Episodes",
    "Evaluation",
    "ExtrapolationError",
    "ExtrapolationWarning",
    "Finding",
    "ListedAtoms",
    "Placement",
    "SkinList",
    "StructureFailure",
    "atomic_virials",
    "batch_adf",
    "batch_rdf",
    "check_data",
    "compute_images",
    "eval",
    "eval_many",
    "map_structures",
    "profile",
    "profile_directed_strain",
    "profile_strain",
    "words_of_farthest",
]
