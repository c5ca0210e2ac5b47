"""Every reader of files, with small files that it can read: what `fuzz.py` changes at random.

A reader may refuse what it is given, with a ValueError or OSError that names the file. All else is
a mistake of ours: other errors, long waits, and much memory for a small file.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from miniff import ml, ml_util
from miniff.io import read_structures
from miniff.kernel import Cell
from miniff.ml._checkpoint import Checkpoint, Progress
from miniff.ml._stored import _read, _write
from miniff.ml._tensor_files import DamagedFileError
from miniff.ml_util._jobfile import read_job_file
from miniff.ml_util._jobs import WORKFLOWS
from miniff.ml_util._validation import check_job
from miniff.potentials import (
    behler2_descriptor_family,
    behler5_descriptor_family,
    funcfl_potentials,
    lammps_sw_potentials,
    lammps_tersoff_potentials,
    lj_potential_family,
    setfl_potentials,
)

__all__ = ["READERS", "Reader", "complaint"]

DATA = Path(__file__).parent / "data"
N2P2 = DATA / "n2p2_golden" / "atom_energy"
LAMMPS = DATA / "lammps_potentials"


@dataclass(frozen=True)
class Reader:
    """Whatever reads one kind of file.

    Attributes:
        file: The name of the file.
        read: Reads it.
        seeds: Contents that it reads.
        besides: Other files of the folder.
        write: Makes the file from what the fuzzer changes, which is its content by default.
    """

    file: str
    read: Callable[[Path], object]
    seeds: Callable[[], list[bytes]]
    besides: Mapping[str, Path] = field(default_factory=dict)
    write: Callable[[Path, bytes], object] = Path.write_bytes


def complaint(reader: Reader, folder: Path, content: bytes) -> str | None:
    """What is wrong with how the reader takes the content; None if nothing is.

    Raises:
        Exception: Whatever the reader lets through that it should not.
    """
    for name, source in reader.besides.items():
        if not (folder / name).exists():
            (folder / name).write_bytes(source.read_bytes())
    path = folder / reader.file
    reader.write(path, content)
    try:
        reader.read(path)
    except (ValueError, OSError) as error:
        said = str(error)
        if str(folder) not in said:
            return f"{type(error).__name__} does not name the file: {said}"
        return (
            None if len(said) < 10_000 else f"it takes {len(said)} letters to say it: {said:.200}"
        )
    return None


def _texts(*texts: str) -> Callable[[], list[bytes]]:
    return lambda: [text.encode() for text in texts]


def _files(*paths: Path) -> Callable[[], list[bytes]]:
    return lambda: [path.read_bytes() for path in paths]


EXTXYZ = (
    '2\nLattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.5 '
    'stress="1 0 0 0 1 0 0 0 1" config_type=a pbc="T T F"\n'
    "Si 0 0 0 0.1 0 0\nO 1 1 1 -0.1 0 0\n",
    "1\nmolecule\nH 0 0 0\n\n1\nProperties=species:S:1:pos:R:3:tags:I:1 energy=1 "
    'name="a b" flag=T list="_JSON [1, {}]" dipole={1 2 3} \'x\'=1\nHe 0 0 0 1\n',
)
CELLS = (
    '[{"vectors": [[5, 0, 0], [0, 5, 0], [0, 0, 5]], "coordinates": [[0, 0, 0], [0.5, 0, 0]], '
    '"values": ["Si", "O"], "meta": {"total-energy": -1.5, "forces": [[0, 0, 1], [0, 0, -1]], '
    '"stress": [1, 1, 1, 0, 0, 0], "name": "a", "charges": [1, 2]}}]',
    '{"type": "dfttools.types.UnitCell", "c_basis": "cartesian", "vectors": {"_type": "numpy", '
    '"data": [[5, 0, 0], [0, 5, 0], [0, 0, 5]], "complex": false, "units": null}, '
    '"coordinates": [], "values": []}',
)
INPUT_DATA = (
    "begin set=train\ncomment some text\nlattice 5 0 0\nlattice 0 5 0\nlattice 0 0 5\n"
    "atom 0 0 0 Si 0.1 0.2 1 0 0\natom 1 1 1 O -0.1 0 -1 0 0\nenergy -1.5\ncharge 0\nend\n",
)
POSCAR = ("Si2\n1.0\n5 0 0\n0 5 0\n0 0 5\nSi O\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n",)
SIMPLE_NN = (
    "ELEM_LIST Si\n\nPOT Si 4.0\nSYM 2\n2 4.0 0.1 1.5 0.0 Si\n4 4.0 0.01 4.0 -1.0 Si Si\n"
    "scale1 0.1 0.2\nscale2 1 2\nNET 1 2 1\nLAYER 0 sigmoid\nw0 1 2\nb0 0.5\nw1 3 4\nb1 0.1\n"
    "LAYER 1 linear\nw0 1 2\nb0 0\n",
)
SETFL = (
    "one\ntwo\nthree\n2 Si O\n5 0.1 5 0.5 2.0\n14 28.0 5.43 dia\n0 1 2 3 4\n4 3 2 1 0\n"
    "8 16.0 1 fcc\n0 1 2 3 4\n4 3 2 1 0\n9 8 7 6 5\n9 8 7 6 5\n9 8 7 6 5\n"
)
PLAIN_YAML = (
    "- {family: lj, tag: Si-Si, epsilon: 1.0, sigma: 2.0, a: 2.0}\n"
    "- family: Behler type 5\n  tag: Si-Si-Si\n  a: 4.0\n  eta: 0.1\n  l: -1\n  zeta: 2\n",
    "family: on_site\ntag: Si\nv0: &x 1.5\n",
)
PLAIN_JSON = (
    '[{"family": "lj", "tag": "Si-Si", "epsilon": 1.0, "sigma": 2.0, "a": 2.0}, '
    '{"family": "Behler type 2", "tag": "Si-O", "a": 4.0, "eta": 0.1, "r_sphere": 0}]',
)
JOBS = (
    "fit:\n  init: {seed: 1, threads: 1}\n  prepare:\n"
    "    fn_cells: [{files: jobs.yml, weight: 2}]\n"
    "    descriptors: {Si: [{family: behler2, tag: Si-Si, eta: 0.1, a: 6.0}]}\n"
    "    baseline: {family: lj, tag: Si-Si, epsilon: 1.0, sigma: 2.0, a: 2.0}\n"
    "  run: &r\n    n_epochs: 10\n    optimizer_kwargs: {lr: 0.1}\n",
    "md:\n  prepare: {fn_cells: jobs.yml, repeat: [1, 2, 3]}\n"
    "  run: {n_steps: 10, ensemble: npt, pressure_gpa: 1.0e-3, temperature_k: 300}\n"
    "relax: {prepare: {fn_cells: '*.yml'}}\ntest-direct:\n",
)


def _n2p2(path: Path) -> object:
    return ml.load_n2p2(path.parent, length_unit=1.0, energy_unit=1.0)


def _job(path: Path) -> object:
    """Files that a job names are looked for, and missed with the line of the job file."""
    return check_job(read_job_file(path), WORKFLOWS)


def _input_data(path: Path) -> object:
    read = read_structures(path, length_unit="bohr", energy_unit="Hartree")
    return [Cell.from_structure(structure) for structure in read]


def _potential_files() -> list[bytes]:
    """A formula, and a network."""
    functions = [
        behler2_descriptor_family("Si-Si", a=4.0, eta=0.1),
        behler5_descriptor_family("Si-Si-Si", a=4.0, eta=0.1, l=-1.0, zeta=2.0),
    ]
    torch.manual_seed(0)
    network = ml.NNPotential(
        ml_util.behler_nn(2, 3), functions, "Si", ranges=np.array([[0.0, 0.0], [1.0, 1.0]])
    )
    formula = lj_potential_family("Si-Si", epsilon=1.0, sigma=2.0, a=2.0)
    return [_bytes_of(ml.save_potentials, [own]) for own in (formula, network)]


def _bytes_of(save: Callable[[Path, Any], object], content: object) -> bytes:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "file.pt"
        save(path, content)
        return path.read_bytes()


def _contents() -> list[bytes]:
    """What is in potential files, as JSON."""
    return [_as_json(content) for content in map(_loaded, _potential_files())]


def _loaded(data: bytes) -> object:
    from io import BytesIO

    return torch.load(BytesIO(data), weights_only=True)


def _as_json(content: object) -> bytes:
    def plain(value: object) -> object:
        if isinstance(value, torch.Tensor):
            return {"tensor": value.tolist(), "type": str(value.dtype).removeprefix("torch.")}
        return dict(value) if isinstance(value, Mapping) else repr(value)

    return json.dumps(content, default=plain).encode()


def _from_json(path: Path, content: bytes) -> None:
    """The potential file with the content that the JSON stands for, if it is any."""

    def made(data: dict[str, Any]) -> object:
        if data.keys() == {"tensor", "type"}:
            return torch.tensor(data["tensor"], dtype=getattr(torch, data["type"]))
        return data

    try:
        torch.save(json.loads(content, object_hook=made), path)
    except Exception:  # no file that torch could have written
        path.unlink(missing_ok=True)


def _checkpoint(path: Path) -> object:
    return Checkpoint(path, {"seed": 1}, 0.0).load()


def _checkpoints() -> list[bytes]:
    def save(path: Path, content: Any) -> None:
        Checkpoint(path, {"seed": 1}, 0.0).save(content, Progress(2, 5, "epochs"))

    return [_bytes_of(save, {"step": 3, "numbers": torch.zeros(3), "text": "a", "list": [1.5]})]


def _trajectories() -> list[bytes]:
    """Of ASE."""

    def save(path: Path, atoms: Atoms) -> None:
        ase.io.write(path, [atoms, atoms], format="traj")

    atoms = Atoms("SiO", [[0, 0, 0], [1, 1, 1]], cell=[5, 5, 5], pbc=[True, True, False])
    atoms.calc = SinglePointCalculator(atoms, energy=-1.5, forces=np.ones((2, 3)))
    return [_bytes_of(save, atoms)]


def _cache(path: Path) -> object:
    """A file that is damaged is none of ours; whoever asks for it makes it anew."""
    try:
        return _read(path)
    except DamagedFileError:
        return None


def _caches() -> list[bytes]:
    def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
        _write(path, ("Si",), arrays)

    return [_bytes_of(save, {"numbers": np.arange(5.0), "none": np.zeros((0, 3), np.int64)})]


READERS = {
    "traj": Reader("cells.traj", Cell.load, _trajectories),
    "cache": Reader("some.descriptors", _cache, _caches),
    "extxyz": Reader("cells.xyz", Cell.load, _texts(*EXTXYZ)),
    "json-cells": Reader("cells.json", Cell.load, _texts(*CELLS)),
    "input-data": Reader("input.data", _input_data, _texts(*INPUT_DATA)),
    "poscar": Reader("POSCAR", Cell.load, _texts(*POSCAR)),
    "input-nn": Reader(
        "input.nn",
        _n2p2,
        _files(N2P2 / "input.nn"),
        {p.name: p for p in N2P2.glob("*.data") if p.name != "input.data"},
    ),
    "scaling-data": Reader(
        "scaling.data",
        _n2p2,
        _files(N2P2 / "scaling.data"),
        {p.name: p for p in (*N2P2.glob("weights*"), N2P2 / "input.nn")},
    ),
    "weights-data": Reader(
        "weights.016.data",
        _n2p2,
        _files(N2P2 / "weights.016.data"),
        {
            p.name: p
            for p in (*N2P2.glob("weights*"), N2P2 / "input.nn", N2P2 / "scaling.data")
            if p.name != "weights.016.data"
        },
    ),
    "simple-nn": Reader("potential_saved", ml.load_simple_nn, _texts(*SIMPLE_NN)),
    "sw": Reader("x.sw", lammps_sw_potentials, _files(*LAMMPS.glob("*.sw"))),
    "tersoff": Reader("x.tersoff", lammps_tersoff_potentials, _files(*LAMMPS.glob("*.tersoff"))),
    "setfl": Reader("x.eam.alloy", setfl_potentials, _texts(SETFL)),
    "setfl-fs": Reader(
        "x.eam.fs",
        lambda path: setfl_potentials(path, form="fs"),
        _texts(SETFL.replace("4 3 2 1 0", "4 3 2 1 0\n4 3 2 1 0")),
    ),
    "funcfl": Reader(
        "x.eam",
        lambda path: funcfl_potentials(path, "Si"),
        _texts(
            "funcfl\n14 28.0 5.43 dia\n5 0.1 5 0.5 2.0\n0 1 2 3 4\n4 3 2 1 0\n4 3 2 1 0\n",
        ),
    ),
    "plain-yaml": Reader("potentials.yml", ml.load_potentials, _texts(*PLAIN_YAML)),
    "plain-json": Reader("potentials.json", ml.load_potentials, _texts(*PLAIN_JSON)),
    "job": Reader("jobs.yml", _job, _texts(*JOBS)),
    "potential-file": Reader("potentials.pt", ml.load_potentials, _potential_files),
    "potential-content": Reader("potentials.pt", ml.load_potentials, _contents, write=_from_json),
    "checkpoint": Reader("fit.checkpoint", _checkpoint, _checkpoints),
}
"""By name."""
