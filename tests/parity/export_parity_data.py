"""What the scripts about exported folders share: features of clip_hpc embed, lines of a text file."""
import unicodedata
from pathlib import Path

import torch


def lines_of(path):
    return Path(path).read_text(encoding="utf-8").split("\n")[:-1]


def has_loose_marks(line):
    """Letters that are written in parts, as marks and Hangul jamo are: Hugging Face normalises them in another way."""
    return any(unicodedata.category(c)[0] == "M" or "\u1100" <= c <= "\u11ff" or c in "\uff9e\uff9f" for c in line)


def datasets(path):
    import h5py
    with h5py.File(path) as file:
        return {name: torch.from_numpy(file[name][:]) for name in file}
