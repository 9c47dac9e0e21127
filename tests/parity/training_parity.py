"""Short trainings of parity_dump against PyTorch: the same weights, batches, AdamW. Standard input: lines of NAME MODEL.json
FOLDER; prints a line "equal NAME" or "differs NAME" for each. Both compute in fp32: losses to 1e-3, and the way that each
tensor went in the same direction (cosine 0.99)."""
import math
import sys

import torch
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.loss import ClipLoss
from torch.nn.functional import normalize

from peer import Checks, group_norm_names, load, model_of, read_json


def compare(config, folder):
    dump, start = load(f"{folder}/dump.safetensors"), load(f"{folder}/start.safetensors")
    end = group_norm_names(load(f"{folder}/model.safetensors"))
    names = [name for name in start if start[name].is_floating_point()]
    model = model_of(config).train()
    model.load_state_dict(group_norm_names(start), strict=True)
    parameters = dict(model.named_parameters())
    trained = [name for name in group_norm_names(dict.fromkeys(names)) if name in parameters]
    decays = dict(zip(trained, dump["decays"].tolist(), strict=True))
    groups = [{"params": [parameters[name] for name in trained if decays[name] == decay], "weight_decay": 0.1 * decay}
              for decay in (0, 1)]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98), eps=1e-6)
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (OPENAI_DATASET_MEAN, OPENAI_DATASET_STD))
    checks = Checks()
    for step, (bytes_, ids, ours) in enumerate(zip(dump["bytes"], dump["ids"], dump["losses"])):
        optimizer.zero_grad()
        image, text = model.encode_image((bytes_.float() / 255 - mean) / std), model.encode_text(ids)
        loss = ClipLoss()(normalize(image, dim=-1), normalize(text, dim=-1), model.logit_scale.exp())
        loss.backward()
        checks.equal(f"loss of step {step}", ours, loss.detach(), 1e-3, 0)
        torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
    first = group_norm_names(start)
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point() or name.endswith(("mlp_tokens.fc2.bias", "attnpool.k_proj.bias")):
            continue  # the norm, or the softmax, behind it takes that bias away: its gradient is noise
        way = tensor - first[name]
        if tensor.numel() > 1 and way.abs().max() > 0:
            checks.direction(f"the way of {name}", end[name] - first[name], way, 0.99)
    return checks


for line in sys.stdin:
    name, path, folder = line.split()
    checks = compare(read_json(path), folder)
    print(f"{'differs' if checks.failed else 'equal'} {name}")
    print(checks.summary())
