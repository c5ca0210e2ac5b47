"""What tests of lists on a device share: structures, and the search there."""

from collections.abc import Sequence

import numpy as np
from silicon import SILICON

from miniff._neighbors import (
    ListedAtoms,
)
from miniff.ml._device._search import DeviceSearch
from miniff.ml._device._table import DeviceTable
from miniff.potentials import (
    ready_search,
)

ALL, NONE = (True,) * 3, (False,) * 3


def on_device(
    positions: np.ndarray,
    cell: np.ndarray,
    periodic: Sequence[bool],
    species: Sequence[str],
    cutoff: float,
    device: str,
) -> DeviceTable:
    """What the device finds."""
    search = ready_search(SILICON, device=device)
    assert isinstance(search, DeviceSearch)
    table = search(ListedAtoms.of(species), positions, cell, periodic, cutoff)
    assert search.problem is None
    assert isinstance(table, DeviceTable)
    return table


def structures() -> dict[str, tuple[np.ndarray, np.ndarray, tuple[bool, bool, bool], float]]:
    """Positions, cell, periodicity and cutoff."""
    rng = np.random.default_rng(5)
    sheared = np.array([[6.0, 0, 0], [25.0, 7.0, 0], [-9.0, 31.0, 6.5]])
    turned = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    flat = np.array([[14.0, 0, 0], [3.0, 15.0, 0], [0, 0, 1.0]])
    left_handed = np.diag([-7.0, 8.0, 6.0])
    return {
        "random": (rng.random((60, 3)) @ (9 * turned), 9 * turned, ALL, 3.3),
        "sheared": (rng.random((40, 3)) @ sheared, sheared, ALL, 4.0),
        "left-handed": (rng.random((40, 3)) @ left_handed, left_handed, ALL, 2.9),
        "flat": (rng.random((50, 3)) @ flat * [1, 1, 0], flat @ turned, (True, True, False), 4.0),
        "thin": (rng.random((30, 3)) @ flat, flat, ALL, 4.0),
        "tiny": (2 * rng.random((2, 3)), 2.3 * np.eye(3) + 0.2 * rng.random((3, 3)), ALL, 6.0),
        "a wire": (rng.random((40, 3)) @ (8 * turned), 8 * turned, (False, True, False), 3.0),
        "a cluster": (10 * rng.random((80, 3)) - 20, np.zeros((3, 3)), NONE, 3.0),
        "far outside": (rng.random((30, 3)) * 300 @ turned, 5 * turned, (True, False, True), 3.0),
        "far from each other": (50.0 * np.eye(3), 90 * np.eye(3), ALL, 3.0),
    }
