"""Families by name, and potentials from plain data."""

from collections.abc import Mapping

from miniff._checks import unknown_name
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
from miniff.potentials._descriptors import (
    behler5x_descriptor_family,
    sigmoid_descriptor_family,
)
from miniff.potentials._embedded_atom import eam_potential_family
from miniff.potentials._functions import FunctionPotential, LocalPotentialFamily
from miniff.potentials._tersoff import tersoff_potential_family
from miniff.potentials._weighted import (
    weighted_angular_descriptor_family,
    weighted_radial_descriptor_family,
)
from miniff.potentials._zbl import zbl_potential_family

__all__ = [
    "charge_families",
    "function_from_state_dict",
    "known_families",
    "potential_from_state_dict",
]

known_families: dict[str, LocalPotentialFamily] = {
    family.name: family
    for family in (
        behler2_descriptor_family,
        behler4_descriptor_family,
        behler5_descriptor_family,
        behler5x_descriptor_family,
        buckingham_potential_family,
        harmonic_repulsion_potential_family,
        eam_potential_family,
        lj_potential_family,
        morse_potential_family,
        on_site_potential_family,
        sigmoid_descriptor_family,
        polynomial_narrow_descriptor_family,
        polynomial_radial_descriptor_family,
        polynomial_wide_descriptor_family,
        sw2_potential_family,
        sw3_mixed_potential_family,
        sw3_potential_family,
        zbl_potential_family,
        tersoff_potential_family,
        weighted_angular_descriptor_family,
        weighted_polynomial_narrow_descriptor_family,
        weighted_polynomial_radial_descriptor_family,
        weighted_polynomial_wide_descriptor_family,
        weighted_radial_descriptor_family,
    )
}


charge_families: dict[str, ChargeFamily] = {
    family.name: family
    for family in (
        dsf_potential_family,
        ewald_k_potential_family,
        ewald_real_potential_family,
        ewald_self_potential_family,
        ewald_total_potential_family,
        wolf_potential_family,
    )
}


def potential_from_state_dict(
    state: Mapping[str, object],
) -> FunctionPotential | FixedChargePotential:
    """The potential whose ``state_dict`` gave these data.

    Raises:
        ValueError: An unknown family, or data that are not a potential's.
    """
    if set(state) != {"tag", "parameters", "ptag"}:
        raise ValueError(
            f"a potential's data have the keys tag, parameters, ptag, but here are {list(state)}"
        )
    name, parameters, tag = (state[key] for key in ("tag", "parameters", "ptag"))
    families = {**known_families, **charge_families}
    if name not in families:
        raise ValueError(unknown_name("family", str(name), families))
    if not isinstance(parameters, Mapping) or not (tag is None or isinstance(tag, str)):
        raise ValueError(f"{name}: `parameters` must be a mapping and `ptag` a string or None")
    if name in charge_families:
        return charge_families[str(name)](tag=None, **parameters)
    return known_families[str(name)](tag=tag, **parameters)


def function_from_state_dict(state: Mapping[str, object]) -> FunctionPotential:
    """The same, where it must be a formula of the compiled core, as descriptors are.

    Raises:
        ValueError: As :func:`potential_from_state_dict`, or a potential of charges.
    """
    potential = potential_from_state_dict(state)
    if not isinstance(potential, FunctionPotential):
        raise ValueError(f"{potential} cannot be a descriptor")
    return potential
