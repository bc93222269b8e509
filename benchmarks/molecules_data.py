"""Molecules of the package molsets as graphs, with their logP by RDKit: one file, for benchmarks/molecules.py.

.venv/bin/python -m pip install -c constraints.txt -e '.[peers]'
.venv/bin/python benchmarks/molecules_data.py molecules.npz
"""

import csv
import gzip
import io
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from cyclopts import run
from torch import Tensor
from torch.nn.functional import one_hot

from einnet.nn.sparse import DisjointUnion, Support

PACKAGE = "molsets==0.3.1"
TABLE = "moses/dataset/data/train.csv.gz"
CHARGES, HYDROGENS = (-1, 0, 1), (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Batch:
    """Molecules as one graph: features of atoms and bonds, (i, j) and (j, i) for each bond, the molecule of each atom.

    `y` is logP, standardized on the molecules to train with.
    """

    x: Tensor
    index: Tensor
    bonds: Tensor
    molecule: Tensor
    y: Tensor

    @cached_property
    def union(self) -> DisjointUnion:
        """The molecules as EinNet takes them; what is computed from the bonds is kept with it."""
        support = Support(self.index, (len(self.x), len(self.x)))
        return DisjointUnion((self.x, (support, self.bonds)), {"a": self.molecule}, len(self.y))


class Molecules:
    """All molecules of a file; `parts` are the numbers of those to train with, to choose with, to test with."""

    def __init__(self, file: Path, seed: int = 0, part: float = 0.1):
        with np.load(file, allow_pickle=False) as arrays:
            atoms, index, bonds, self.atoms, self.edges, y = (
                torch.from_numpy(arrays[k]) for k in ("atom", "index", "bond", "atoms", "edges", "logp")
            )
        number = len(y)
        order, held_out = torch.randperm(number, generator=torch.Generator().manual_seed(seed)), int(part * number)
        self.parts = dict(
            zip(("test", "valid", "train"), order.split([held_out, held_out, number - 2 * held_out]), strict=True)
        )
        self.index, self.x = index, torch.cat([one_hot(column) for column in atoms.T], 1).float()
        self.bonds, train = one_hot(bonds).float(), y[self.parts["train"]]
        self.y = (y - train.mean()) / train.std()

    def select(self, numbers: Tensor) -> Batch:
        """Some molecules as one graph."""
        atoms, edges = self.atoms[numbers], self.edges[numbers]
        rows = list_ranges(self.atoms.cumsum(0)[numbers] - atoms, atoms)
        columns = list_ranges(self.edges.cumsum(0)[numbers] - edges, edges)
        index = self.index[:, columns] + (atoms.cumsum(0) - atoms).repeat_interleave(edges)
        return Batch(self.x[rows], index, self.bonds[columns], torch.repeat_interleave(atoms), self.y[numbers])


def list_ranges(starts: Tensor, lengths: Tensor) -> Tensor:
    """The numbers from each start on, so many as its length."""
    return torch.arange(int(lengths.sum())) + (starts - lengths.cumsum(0) + lengths).repeat_interleave(lengths)


def main(file: Path, *, number: int = 5000, seed: int = 0) -> None:
    """Download molsets and write `number` of its molecules to a file."""
    from rdkit import Chem

    smiles = download()
    molecules = [Chem.MolFromSmiles(smiles[k]) for k in np.random.default_rng(seed).permutation(len(smiles))[:number]]
    np.savez_compressed(file, **to_arrays(molecules))
    print(f"{number:,} of {len(smiles):,} molecules: {file}")


def download() -> list[str]:
    """The molecules of molsets as text."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
        subprocess.run(command, check=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            table = gzip.decompress(wheel.read(TABLE)).decode()
    return [row["SMILES"] for row in csv.DictReader(io.StringIO(table))]


def to_arrays(molecules: Sequence[Any]) -> dict[str, np.ndarray]:
    """Whole numbers for the kinds of atoms and bonds, the atoms and edges of each molecule, and its logP."""
    from rdkit.Chem import Crippen

    atoms = [atom for molecule in molecules for atom in molecule.GetAtoms()]
    bonds = [list(molecule.GetBonds()) for molecule in molecules]
    elements = sorted({atom.GetSymbol() for atom in atoms})
    kinds = sorted({bond.GetBondType() for bonds_of in bonds for bond in bonds_of})
    ends = [[(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in bonds_of] for bonds_of in bonds]
    return {
        "atom": np.array(
            [
                (
                    elements.index(atom.GetSymbol()),
                    CHARGES.index(atom.GetFormalCharge()),
                    HYDROGENS.index(atom.GetTotalNumHs()),
                    int(atom.GetIsAromatic()),
                )
                for atom in atoms
            ]
        ),
        "index": np.concatenate([np.array(e + [(j, i) for i, j in e]).T for e in ends], 1),
        "bond": np.array([kinds.index(bond.GetBondType()) for bonds_of in bonds for bond in [*bonds_of, *bonds_of]]),
        "atoms": np.array([molecule.GetNumAtoms() for molecule in molecules]),
        "edges": np.array([2 * len(bonds_of) for bonds_of in bonds]),
        "logp": np.array([Crippen.MolLogP(molecule) for molecule in molecules], np.float32),
    }


if __name__ == "__main__":
    run(main)
