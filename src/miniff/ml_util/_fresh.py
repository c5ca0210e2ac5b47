"""Networks before they have learned anything, and what they stand for."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from miniff.ml import Normalization
from miniff.ml_util._charge_start import guessed_charges
from miniff.ml_util._charge_use import LearnedCharges, SeenCharges
from miniff.ml_util._fit_model import (
    EnergiesAlone,
    EnergiesOfCharges,
    EnergiesWithCharges,
    FitModel,
)
from miniff.ml_util._networks import behler_nn

__all__ = ["Beginning", "fresh_members"]

Members = list[list[nn.Module]]
"""For each model its networks."""


@dataclass(frozen=True)
class Beginning:
    """How networks are drawn.

    Attributes:
        names: Of the species.
        n_models: Trained side by side.
        n_nodes: In each hidden layer.
        seed: Of the first weights.
        has_baseline: The sum starts as the baseline, and stays so where that is exact.
    """

    names: Sequence[str]
    n_models: int
    n_nodes: int
    seed: int
    has_baseline: bool

    def networks(
        self, normalization: Normalization, use: LearnedCharges | SeenCharges | None
    ) -> tuple[Members, FitModel]:
        """Those of all models, and what they stand for.

        Args:
            normalization: What they see and give.
            use: What is done with charges, if anything.
        """
        members = fresh_members(normalization, self.n_models, self.n_nodes, self.seed)
        if self.has_baseline:
            for network in [network for member in members for network in member]:
                nn.init.zeros_(list(network.parameters())[-2])
        if use is None:
            return members, EnergiesAlone()
        if isinstance(use, SeenCharges):
            return members, EnergiesOfCharges(use)
        more = fresh_members(normalization, self.n_models, self.n_nodes, self.seed + 1)
        both = [[*own, *others] for own, others in zip(members, more, strict=True)]
        return both, EnergiesWithCharges(use, guessed_charges(normalization, self.names))


def fresh_members(normalization: Normalization, n_models: int, n_nodes: int, seed: int) -> Members:
    """A network for each species, the same for the same seed whatever was drawn before."""
    n_species = len(normalization.features_scale)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return [
            [behler_nn(normalization.n_inputs(s), n_nodes) for s in range(n_species)]
            for _ in range(n_models)
        ]
