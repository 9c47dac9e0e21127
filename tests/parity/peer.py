"""What the scripts of this folder share: reading dumps, building open_clip's model from the same JSON."""
import json
import sys
from pathlib import Path

import open_clip
import timm
import torch
from safetensors import safe_open


def load(path):
    """Tensors by name, in the order in which the file holds them: that of the parameter arena."""
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.offset_keys()}


def model_of(config):
    """open_clip's CLIP from a model JSON, plain or as {"model_cfg": ...}."""
    config = config.get("model_cfg", config)
    vision = dict(config["vision_cfg"])
    more = vision.pop("timm_model_kwargs", None)  # open_clip 3.3 has no such key, timm knows the words
    if not more:
        return open_clip.model.CLIP(**config)
    create = timm.create_model
    timm.create_model = lambda name, **words: create(name, **{**words, **more})
    try:
        return open_clip.model.CLIP(**{**config, "vision_cfg": vision})
    finally:
        timm.create_model = create


def read_json(path):
    return json.loads(Path(path).read_text())


class Checks:
    def __init__(self):
        self.worst, self.failed, self.count = 0.0, [], 0

    def equal(self, what, ours, peer, rtol, atol):
        """|ours - peer| <= atol + rtol * max |peer|, everywhere."""
        self.count += 1
        if ours.shape != peer.shape:
            self.failed.append(f"{what}: shape {tuple(ours.shape)}, peer {tuple(peer.shape)}")
            return
        ours, peer = ours.double(), peer.double()
        limit = atol + rtol * peer.abs().max()
        share = ((ours - peer).abs().max() / limit).item()
        self.worst = max(self.worst, share)
        if not share <= 1:  # NaN fails
            self.failed.append(f"{what}: differs by {share:.2f} of what is allowed, {limit:.3g}")

    def direction(self, what, ours, peer, least):
        self.count += 1
        cosine = torch.nn.functional.cosine_similarity(ours.double().flatten(), peer.double().flatten(), dim=0).item()
        self.worst = max(self.worst, (1 - cosine) / (1 - least))
        if not cosine >= least:
            self.failed.append(f"{what}: cosine {cosine:.5f}, at least {least} is expected")

    def true(self, what, fine):
        self.count += 1
        if not fine:
            self.failed.append(what)

    def summary(self):
        for line in self.failed:
            print(line)
        return (f"{self.count} comparisons, {len(self.failed)} failed, "
                f"largest difference {100 * self.worst:.0f} % of what is allowed")

    def finish(self):
        print(self.summary())
        sys.exit(1 if self.failed else 0)
