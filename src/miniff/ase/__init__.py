"""ASE's calculator: potentials for all that ASE does with atoms.

Importing this registers it with ASE: ``ase.calculators.calculator.get_calculator_class("miniff")``.
"""

from ase.calculators.calculator import external_calculators, register_calculator_class

from miniff.ase._calculator import MiniffCalculator

__all__ = ["MiniffCalculator"]

if "miniff" not in external_calculators:
    register_calculator_class("miniff", MiniffCalculator)
