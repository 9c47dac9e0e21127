"""Position embeddings of another image size, as model.init resizes them, against open_clip's and timm's own resizing.
  resize_parity.py WEIGHTS MODEL.json OURS: all other tensors stay as they are."""
import sys

import torch
from open_clip.model import resize_pos_embed
from timm.layers import resample_abs_pos_embed

from peer import Checks, load, model_of, read_json

weights, config, ours = sys.argv[1:]
model, expected, ours = model_of(read_json(config)), load(weights), load(ours)
key = "visual.trunk.pos_embed"
if key in expected:
    trunk = model.visual.trunk
    expected[key] = resample_abs_pos_embed(expected[key], list(trunk.patch_embed.grid_size),
                                           num_prefix_tokens=trunk.num_prefix_tokens)
else:
    key = "visual.positional_embedding"
    resize_pos_embed(expected, model)
checks = Checks()
checks.true("another number of positions", load(weights)[key].shape != ours[key].shape)
checks.true("the same tensors", set(expected) == set(ours))
for name, tensor in expected.items():
    if name == key:
        checks.equal(name, ours[name], tensor, 1e-6, 0)
    else:
        checks.true(f"{name} as it was", torch.equal(ours[name], tensor))
model.load_state_dict(expected, strict=True)
print(checks.summary())
sys.exit(bool(checks.failed))
