"""Data sets, how they are split, and what others reached on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["DATASETS", "Dataset", "Published"]


@dataclass(frozen=True)
class Published:
    """Mean absolute errors on a test set.

    Attributes:
        energy: meV/atom.
        forces: eV/angstrom, of components.
    """

    energy: float
    forces: float


@dataclass(frozen=True)
class Dataset:
    """One job.

    Attributes:
        train: Files with the structures to learn from.
        test: Files of the test set; none where a share of `train` is held out.
        held_out: That share, drawn with the job's seed.
        published: By method; the first is what ratios are taken to.
        by_group: By the ``group`` of the structures, where published numbers are.
        note: What to know when comparing.
    """

    train: tuple[str, ...]
    test: tuple[str, ...] = ()
    held_out: float = 0.0
    published: Mapping[str, Published] = field(default_factory=dict)
    by_group: Mapping[str, Published] = field(default_factory=dict)
    note: str = ""


ZUO = {
    "Ni": {"NNP": (1.518, 0.0302), "MTP": (0.482, 0.0140), "SNAP": (0.775, 0.0377)},
    "Cu": {"NNP": (1.154, 0.0263), "MTP": (0.411, 0.0069), "SNAP": (0.530, 0.0371)},
    "Li": {"NNP": (0.750, 0.0168), "MTP": (0.487, 0.0101), "SNAP": (1.033, 0.0277)},
    "Mo": {"NNP": (3.646, 0.1251), "MTP": (2.938, 0.0901), "SNAP": (5.485, 0.2065)},
    "Si": {"NNP": (5.633, 0.1086), "MTP": (2.313, 0.0560), "SNAP": (6.439, 0.1327)},
    "Ge": {"NNP": (4.894, 0.0850), "MTP": (1.790, 0.0465), "SNAP": (6.590, 0.1884)},
}
"""Published potentials of Zuo et al., J. Phys. Chem. A 124, 731 (2020),
https://doi.org/10.1021/acs.jpca.9b08723, evaluated on their test structures."""

LI = {
    "Mo": (2.48, 0.1264),
    "Ta": (4.92, 0.1673),
    "MoTa": (4.77, 0.0365),
    "NbW": (9.78, 0.0361),
}
"""SNAP of Li et al., npj Computational Materials 6, 70 (2020), https://doi.org/10.1038/s41524-020-0339-0,
with one energy for each element fitted."""

DATASETS = {
    **{
        name: Dataset(
            train=(f"mlearn/{name}_train.xyz.gz",),
            test=(f"mlearn/{name}_test.xyz.gz",),
            published={method: Published(*errors) for method, errors in ZUO[name].items()},
        )
        for name in ZUO
    },
    "TiO2": Dataset(
        train=("tio2_aenet/TiO2_train.xyz.gz",),
        held_out=0.1,
        published={"aenet 5-5": Published(5.424, 0.1516)},
        note="not the published split: the published test set is another tenth",
    ),
    "MoNbTaW": Dataset(
        train=("monbtaw_maml/MoNbTaW_train.xyz.gz",),
        test=("monbtaw_maml/MoNbTaW_test_visible.xyz.gz",),
        by_group={group: Published(*errors) for group, errors in LI.items()},
    ),
    "water": Dataset(
        train=tuple(f"water_deepmd/data_{n}.xyz.gz" for n in range(3)),
        held_out=0.1,
        note="no published errors on these structures",
    ),
}
