"""Plots: an ``ax`` in, an ``ax`` out; nothing is shown or saved behind the caller's back."""

from miniff.presentation._charges import plot_charges
from miniff.presentation._convergence import plot_convergence
from miniff.presentation._descriptors import plot_descriptors_2, plot_descriptors_3
from miniff.presentation._distributions import plot_adf, plot_rdf
from miniff.presentation._dynamics import DynamicsRecord, plot_dynamics
from miniff.presentation._energy_volume import plot_energy_volume
from miniff.presentation._labels import Labels, labels_of
from miniff.presentation._overview import plot_data_set, plot_potentials
from miniff.presentation._parity import plot_diagonal, plot_parities
from miniff.presentation._potential import plot_potential_2, plot_strain_profile
from miniff.presentation._style import STYLE, new_axes
from miniff.presentation._text import text_bars

__all__ = [
    "STYLE",
    "DynamicsRecord",
    "Labels",
    "labels_of",
    "new_axes",
    "plot_adf",
    "plot_charges",
    "plot_convergence",
    "plot_data_set",
    "plot_descriptors_2",
    "plot_descriptors_3",
    "plot_diagonal",
    "plot_dynamics",
    "plot_energy_volume",
    "plot_parities",
    "plot_potential_2",
    "plot_potentials",
    "plot_rdf",
    "plot_strain_profile",
    "text_bars",
]
