"""Every model configuration of the installed open_clip: read with the same names and shapes, or refused by a key.
Arguments: PROGRAM. Prints a line "read NAME", "refused NAME: reason" (which names a key of the file; else "nameless") or
"differs NAME: what", and a table by family."""
import contextlib
import io
import json
import logging
import subprocess
import sys
from collections import Counter
from pathlib import Path

import open_clip
import torch

from peer import model_of

logging.disable(logging.WARNING)
program = sys.argv[1]
folder = Path(open_clip.__file__).parent / "model_configs"


def ours(path):
    """{name: shape}, or the reason why it is refused."""
    done = subprocess.run([program, "model", "--tensors", path], capture_output=True, text=True)
    if done.returncode == 0:
        return {name: json.loads(shape) for name, shape in (line.split(" ", 1) for line in done.stdout.splitlines())}
    if done.returncode != 2:
        raise SystemExit(f"{path}: exit code {done.returncode}\n{done.stderr}")
    lines = done.stderr.strip().splitlines()
    return lines[0] if len(lines) == 1 else "several lines: " + " ".join(lines)


def keys_of(value):
    """All keys of a JSON value, at any depth."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield key
        yield from keys_of(inner)


def names_key(reason, path):
    """Whether a refusal is one line that names a key of the file."""
    return any(f"{key} = " in reason or f'key "{key}"' in reason for key in keys_of(json.loads(path.read_text())))


def theirs(path):
    with torch.device("meta"), contextlib.redirect_stdout(io.StringIO()):
        model = model_of(json.loads(path.read_text()))
    return {name: list(tensor.shape) for name, tensor in model.state_dict().items()}


def family_of(name):
    for start in ("ViT-", "RN", "convnext", "swin", "vit_", "EVA", "coca", "ViTamin", "PE-", "MobileCLIP", "nllb"):
        if name.startswith(start):
            return ("SigLIP" if "SigLIP" in name else "CLIPA" if "CLIPA" in name else "ViT") if start == "ViT-" else start
    return "text of transformers"


count = Counter()
for path in sorted(folder.glob("*.json")):
    name, found = path.stem, ours(path)
    if isinstance(found, str):
        count[family_of(name), "refused"] += 1
        named = names_key(found, path) and not found.startswith("several lines")
        print(f"{'refused' if named else 'nameless'} {name}: {found}")
        continue
    peer = theirs(path)
    if found == peer:
        count[family_of(name), "read"] += 1
        print(f"read {name}")
    else:
        missing, more = sorted(set(peer) - set(found)), sorted(set(found) - set(peer))
        shapes = [key for key in found.keys() & peer.keys() if found[key] != peer[key]]
        print(f"differs {name}: lacks {missing[:3]}, has {more[:3]}, other shapes {shapes[:3]}")
for family in sorted({family for family, _ in count}):
    print(f"family {family}: {count[family, 'read']} read, {count[family, 'refused']} refused")
