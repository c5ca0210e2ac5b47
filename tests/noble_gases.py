"""Lennard-Jones's potentials of argon and krypton, for tests of mixtures."""

from miniff.potentials import lj_potential_family

ARGON_KRYPTON = [
    lj_potential_family(tag, epsilon=e, sigma=s, a=2.0)
    for tag, e, s in (
        ("Ar-Ar", 0.010, 3.4),
        ("Ar-Kr", 0.012, 3.5),
        ("Kr-Ar", 0.012, 3.5),
        ("Kr-Kr", 0.014, 3.6),
    )
]
