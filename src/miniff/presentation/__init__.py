"""Plots: an ``ax`` in, an ``ax`` out; nothing is shown or saved behind the caller's back."""

from miniff.presentation._descriptors import plot_descriptors_2
from miniff.presentation._fit import plot_convergence, plot_diagonal, plot_parities
from miniff.presentation._potential import plot_potential_2, plot_strain_profile

__all__ = [
    "plot_convergence",
    "plot_descriptors_2",
    "plot_diagonal",
    "plot_parities",
    "plot_potential_2",
    "plot_strain_profile",
]
