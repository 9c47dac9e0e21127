"""What the scripts about exported folders share: features of clip_hpc embed, lines of a text file."""
from pathlib import Path

import torch


def lines_of(path):
    return Path(path).read_text(encoding="utf-8").split("\n")[:-1]


def datasets(path):
    import h5py
    with h5py.File(path) as file:
        return {name: torch.from_numpy(file[name][:]) for name in file}
