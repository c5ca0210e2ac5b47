"""Tersoff and embedded atoms with two species of neighbours, as rows of the contract."""

import contract
import numpy as np
import reference
from contract import TERSOFF, Row

from miniff.potentials import eam_potential_family, tersoff_potential_family

__all__ = ["EAM", "ROWS", "TWO_EAM", "TWO_TERSOFF"]

EAM = contract.eam_tables()
TWO_TERSOFF = TERSOFF | {
    "A": [1830.8, 1500.0],
    "lambda2": [1.7, 1.9],
    "m": [[3, 1], [3, 3]],
    "lambda3": [[0.7, -0.3], [0.0, 0.5]],
    "c": [[4.8, 2.0], [3.0, 1.0]],
    "R": [[3.5, 3.2], [3.0, 2.9]],
    "D": [[0.7, 0.2], [0.0, 0.4]],
}
TWO_EAM = EAM | {
    "density": [EAM["density"], 0.6 * EAM["density"] ** 1.1],
    "r_phi": [EAM["r_phi"], EAM["r_phi"] * np.cos(np.arange(44) / 9)],
}
ROWS = [
    Row("tersoff", tersoff_potential_family, TWO_TERSOFF, reference.tersoff),
    Row("eam", eam_potential_family, TWO_EAM, reference.embedded_atom),
    Row(
        "eam-one-density",
        eam_potential_family,
        EAM | {"r_phi": TWO_EAM["r_phi"]},
        reference.embedded_atom,
    ),
]
