"""What the scripts of this folder share: reading dumps, building open_clip's model from the same JSON."""
import json
import re
import sys
from functools import partial
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
    config = dict(config.get("model_cfg", config))
    vision = dict(config["vision_cfg"])
    kind = open_clip.model.CustomTextCLIP if config.pop("custom_text", False) else open_clip.model.CLIP
    has_group_norm = vision.pop("norm", "batch") == "group"
    conv_stem = vision.pop("conv_stem", [])
    more = vision.pop("timm_model_kwargs", {})  # open_clip 3.3 has no such key, timm knows the words
    has_max_pool = more.pop("max_pool", True)
    if has_group_norm:
        more["norm_layer"] = partial(timm.layers.GroupNorm, num_groups=32, eps=1e-6)
    create = timm.create_model

    def created(name, pretrained=False, **words):
        if name.startswith("mixer_") and more:  # its function takes no words that it gives itself
            mixer = timm.models.mlp_mixer.MlpMixer(**words, **more)
            mixer.default_cfg = {}
            return mixer
        return create(name, pretrained=pretrained, **{**words, **more})

    timm.create_model = created
    try:
        model = kind(**{**config, "vision_cfg": vision})
    finally:
        timm.create_model = create
    if not has_max_pool:
        model.visual.trunk.maxpool = torch.nn.Identity()
    if has_group_norm:
        for module in model.visual.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.__class__ = StandardisedConv
    if conv_stem:
        model.visual.conv_stem = ConvStem(conv_stem)
        model.visual.conv1 = BehindStem(model.visual.conv_stem, conv_stem[-1], model.visual.conv1.out_channels)
    return model


class ConvStem(torch.nn.ModuleList):
    """3 x 3 kernels that halve the side, each with LayerNorm over channels and GELU."""

    def __init__(self, channels):
        super().__init__(torch.nn.ModuleDict({
            "conv": torch.nn.Conv2d(before, out, 3, 2, 1), "norm": torch.nn.LayerNorm(out)})
            for before, out in zip([3, *channels], channels))

    def forward(self, x):
        for step in self:
            x = step["norm"](step["conv"](x).permute(0, 2, 3, 1))
            x = torch.nn.functional.gelu(x).permute(0, 3, 1, 2)
        return x


class BehindStem(torch.nn.Conv2d):
    def __init__(self, stem, before, out):
        super().__init__(before, out, 1, bias=False)
        self.stem = [stem]  # not a module of this one

    def forward(self, x):
        return super().forward(self.stem[0](x))


class StandardisedConv(torch.nn.Conv2d):
    """big_vision's convolution: the kernel without its mean, over its deviation, for each output channel."""

    def forward(self, x):
        deviation, mean = torch.std_mean(self.weight, dim=(1, 2, 3), keepdim=True, unbiased=False)
        kernel = (self.weight - mean) / (deviation + 1e-5)
        return torch.nn.functional.conv2d(x, kernel, None, self.stride, self.padding)


def group_norm_names(weights):
    """Ours, with gn for timm's bn."""
    return {re.sub(r"\bgn(\d)\b", r"bn\1", name): tensor for name, tensor in weights.items()}


class Scaled(torch.nn.Module):
    """In the place of timm's DropPath: the factors that the dump names, one column a call."""

    def __init__(self, scales):
        super().__init__()
        self.scales, self.calls = scales, 0

    def forward(self, x):
        scale = self.scales[:, self.calls].to(x.dtype).view(-1, *[1] * (x.ndim - 1))
        self.calls += 1
        return x * scale


def set_depth(trunk, scales):
    scaled = Scaled(scales)
    for module in list(trunk.modules()):
        for name in ("drop_path", "drop_path1", "drop_path2"):
            if hasattr(module, name) and not isinstance(module, Scaled):
                setattr(module, name, scaled)
    return scaled


def read_json(path):
    return json.loads(Path(path).read_text())


class Checks:
    def __init__(self):
        self.worst, self.failed, self.count = 0.0, [], 0
        self.largest = {}  # kind of quantity -> largest difference, relative to the peer's largest value

    def equal(self, what, ours, peer, rtol, atol):
        """|ours - peer| <= atol + rtol * max |peer|, everywhere."""
        self.count += 1
        if ours.shape != peer.shape:
            self.failed.append(f"{what}: shape {tuple(ours.shape)}, peer {tuple(peer.shape)}")
            return
        ours, peer = ours.double(), peer.double()
        limit = atol + rtol * peer.abs().max()
        difference = (ours - peer).abs().max()
        share = (difference / limit).item()
        kind, of = what.split()[0], peer.abs().max()
        if of > 100 * atol:  # no noise about a zero
            self.largest[kind] = max(self.largest.get(kind, 0.0), (difference / of).item())
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
