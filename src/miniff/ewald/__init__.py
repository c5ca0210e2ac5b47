"""The Coulomb energy of charges: how it is split, summed, and differentiated.

The sum over all pairs of charges of all cells, q_i q_j / (2 r), has no limit of its own: it depends
on the order of its terms. Ewald's split gives the value for a crystal in a conductor:

    1 / r = erfc(eta r) / r + erf(eta r) / r

the first part summed over neighbours within a cutoff a, the second, smooth one as a sum over waves
k: exactly up to |k| = k_cutoff, or for many atoms on a mesh.

    E = sum_i q_i phi_i / 2,    phi_i = dE/dq_i
    phi_i = sum_j q_j erfc(eta r_ij) / r_ij + 4 pi / V sum_k exp(-k^2 / 4 eta^2) / k^2 Re[S(k)*
            exp(i k.r_i)] - 2 eta / sqrt(pi) q_i - pi / (eta^2 V) sum_j q_j

=====================  ===========================================================
eta                    ``eta``: how fast the first part decays (1/length)
a                      ``a``: cutoff of the first part (length)
k_cutoff               ``k_cutoff``: of the second part (1/length)
S(k)                   structure factor, sum_j q_j exp(i k.r_j)
q_i, phi_i             ``charges``, ``potential``
=====================  ===========================================================

Ewald, Ann. Phys. 369, 253 (1921), https://doi.org/10.1002/andp.19213690304; mesh: Essmann, Perera,
Berkowitz, Darden, Lee and Pedersen, J. Chem. Phys. 103, 8577 (1995),
https://doi.org/10.1063/1.470117; slabs: Yeh and Berkowitz, J. Chem. Phys. 111, 3155 (1999),
https://doi.org/10.1063/1.479595.
"""

from miniff.ewald._coulomb import Coulomb
from miniff.ewald._matrices import CoulombMatrix
from miniff.ewald._splitting import COULOMB_CONSTANT, Splitting, ewald_cutoffs
from miniff.ewald._sums import CoulombEnergies

__all__ = [
    "COULOMB_CONSTANT",
    "Coulomb",
    "CoulombEnergies",
    "CoulombMatrix",
    "Splitting",
    "ewald_cutoffs",
]
