"""What the scripts about exported folders share: features of clip_hpc embed, lines of a text file, a table of how far
features and logits of both sides are apart (with ROUND_TRIP_TABLE=FILE: a line of it is appended)."""
import os
import unicodedata
from pathlib import Path

import torch


def lines_of(path):
    return Path(path).read_text(encoding="utf-8").split("\n")[:-1]


def has_loose_marks(line):
    """Letters that are written in parts, as marks and Hangul jamo are: Hugging Face normalises them in another way."""
    return any(unicodedata.category(c)[0] == "M" or "\u1100" <= c <= "\u11ff" or c in "\uff9e\uff9f" for c in line)


def compare_outputs(checks, what, ours, peer_image, peer_text, peer_logits, scale, bias=0.0):
    """Features to 2e-6, logits accordingly; each picture chooses the same text, each text the same picture."""
    checks.equal("image", ours["image"], peer_image, 0, 2e-6)
    checks.equal("text", ours["text"], peer_text, 0, 2e-6)
    logits = ours["image"] @ ours["text"].T * scale + bias  # [pictures, texts]
    checks.equal("logits", logits, peer_logits, 0, 2e-6 * max(1.0, float(scale)))
    same = [(logits.argmax(axis) == peer_logits.argmax(axis)).sum().item() for axis in (1, 0)]
    checks.true(f"the same choices: {same} of {logits.shape}", same == list(logits.shape))
    if table := os.environ.get("ROUND_TRIP_TABLE"):
        apart = " | ".join(f"{(a - b).abs().max():.1e}" for a, b in (
            (ours["image"], peer_image), (ours["text"], peer_text), (logits, peer_logits)))
        with open(table, "a", encoding="utf-8") as file:
            print(f"| {what} | {apart} | {same[0]} of {logits.shape[0]} | {same[1]} of {logits.shape[1]} |", file=file)


def datasets(path):
    import h5py
    with h5py.File(path) as file:
        return {name: torch.from_numpy(file[name][:]) for name in file}
