"""Features, loss and gradients of parity_dump against open_clip. Standard input: lines of NAME MODEL.json FOLDER PRECISION;
prints a line "equal NAME" or "differs NAME" for each. PRECISION: fp64 (equal to 1e-9), fp32, fp32_tight (1e-5), bf16.
With PARITY_TABLE=FILE it also appends a line of a table to FILE: the largest differences, relative to the largest value.

The peer gets the same weights (strictly by name), the same bytes and the same ids, and computes in fp32, for fp64 in that."""
import os
import re
import sys

import torch
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.loss import ClipLoss, DistillClipLoss
from torch.nn.functional import normalize

from peer import Checks, group_norm_names, load, model_of, read_json, set_depth


class Kept(torch.nn.Module):
    """In the place of open_clip's PatchDropout: the class token and the patches that the dump names."""

    def __init__(self, kept, others):
        super().__init__()
        self.kept, self.others = kept, others

    def forward(self, x):
        index = self.kept.unsqueeze(-1).expand(-1, -1, x.shape[-1])
        return torch.cat([x[:, :self.others], x[:, self.others:].gather(1, index)], dim=1)


# Of features and of gradients: relative to the largest, absolute.
LIMITS = {"fp64": ((1e-9, 0), (1e-9, 1e-12)), "fp32_tight": ((1e-5, 0), (1e-5, 1e-7)), "fp32": ((1e-4, 1e-5), (1e-4, 1e-6))}


def compare(config, folder, precision):
    dump = load(f"{folder}/dump.safetensors")
    model = model_of(config).train(bool(dump.get("training", torch.tensor(1))))
    weights = load(f"{folder}/model.safetensors")
    model.load_state_dict(group_norm_names(weights), strict=True)
    if "kept" in dump and hasattr(model.visual, "trunk"):
        model.visual.trunk.patch_drop = Kept(dump["kept"], model.visual.trunk.num_prefix_tokens)
    elif "kept" in dump:
        model.visual.patch_dropout = Kept(dump["kept"], 1)
    if "branch_scales" in dump:
        set_depth(model.visual.trunk, dump["branch_scales"])
    if precision == "fp64":
        model, pixels = model.double(), dump["pixels"]
    else:
        norm = config.get("preprocess_cfg", {})
        mean = torch.tensor(norm.get("mean", OPENAI_DATASET_MEAN)).view(1, 3, 1, 1)
        std = torch.tensor(norm.get("std", OPENAI_DATASET_STD)).view(1, 3, 1, 1)
        pixels = (dump["bytes"].float() / 255 - mean) / std
    ids = torch.nn.functional.pad(dump["ids"], (0, model.context_length - dump["ids"].shape[1]))
    image, text = model.encode_image(pixels), model.encode_text(ids)
    image_unit, text_unit, scale = normalize(image, dim=-1), normalize(text, dim=-1), model.logit_scale.exp()
    loss, logits = ClipLoss()(image_unit, text_unit, scale), scale * image_unit @ text_unit.T
    if "teacher" in dump:  # weight and scale as the dump has them
        teacher = dump["teacher"].to(image_unit.dtype).chunk(2, dim=1)
        contrastive, distilled = DistillClipLoss()(image_unit, text_unit, scale, *teacher, 30.0)
        loss = contrastive + 1.5 * distilled
    loss.backward()

    bf16 = precision == "bf16"
    checks = Checks()
    has_group_norm = any(".gn" in name for name in weights)
    gradients = {re.sub(r"\bbn(\d)\b", r"gn\1", name) if has_group_norm else name: parameter.grad
                 for name, parameter in model.named_parameters() if parameter.requires_grad}
    gradients.pop("logit_bias", None)  # of no softmax loss
    checks.true("every parameter has a gradient in both",
                set(gradients) == {name.removeprefix("gradient/") for name in dump if name.startswith("gradient/")} -
                {"logit_bias"})
    checks.equal("loss", dump["loss"], loss.detach(), 2e-2 if bf16 else 1e-9 if precision == "fp64" else 1e-5,
                 0 if bf16 else 1e-12 if precision == "fp64" else 1e-6)
    for what, peer in (("image", image), ("text", text), ("logits", logits)):
        if bf16:
            checks.direction(f"{what} features", dump[what], peer.detach(), 0.999)
        else:
            checks.equal("logits" if what == "logits" else f"{what} features", dump[what], peer.detach(), *LIMITS[precision][0])
    buffers = model.state_dict()  # and what is not trained
    for key in (key for key in dump if key.startswith("buffer/")):
        checks.equal(f"buffer {key[7:]}", dump[key], buffers[key[7:]], 1e-5, 1e-6)
    for name, gradient in gradients.items():
        ours = dump[f"gradient/{name}"]
        if bf16 and name.endswith("mlp_tokens.fc2.bias"):
            continue  # the same number for all channels, which the norm behind it takes away: its gradient is 0
        if bf16:
            checks.direction(f"gradient of {name}", ours, gradient, 0.98)
        else:
            checks.equal(f"gradient of {name}", ours, gradient, *LIMITS[precision][1])
    return checks


for line in sys.stdin:
    name, path, folder, precision = line.split()
    checks = compare(read_json(path), folder, precision)
    print(f"{'differs' if checks.failed else 'equal'} {name}")
    print(checks.summary())
    if table := os.environ.get("PARITY_TABLE"):
        with open(table, "a") as file:
            errors = " | ".join(f"{checks.largest[kind]:.1e}" if kind in checks.largest else "-"
                                for kind in ("image", "text", "logits", "loss", "gradient"))
            print(f"| {name} | {precision.removesuffix('_tight')} | {errors} |", file=file)
