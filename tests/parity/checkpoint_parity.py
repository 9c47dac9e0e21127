"""checkpoint_parity.py CHECKPOINT: open_clip takes a trained checkpoint, strictly, into the model of its manifest."""
import sys

import torch

from peer import Checks, load, model_of, read_json

folder = sys.argv[1]
model = model_of(read_json(f"{folder}/manifest.json")["about"]["model"]).eval()
model.load_state_dict(load(f"{folder}/model.safetensors"), strict=True)
checks = Checks()
with torch.no_grad():
    image = model.encode_image(torch.randn(2, 3, *model.visual.image_size), normalize=True)
    text = model.encode_text(torch.randint(3, model.vocab_size, (2, model.context_length)), normalize=True)
checks.true("features are finite", bool(torch.isfinite(image).all() and torch.isfinite(text).all()))
checks.true("biases, which start at 0, were trained", bool(model.ln_final.bias.abs().max() > 0))
checks.finish()
