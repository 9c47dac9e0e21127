"""adamw_parity.py FOLDER [section.key=value]...: parity_dump's weights after many steps against torch.optim.AdamW.

The peer gets the start and the gradients, and computes rates, clipping, decay and moments itself."""
import math
import sys

import torch
from open_clip_train.scheduler import const_lr, cosine_lr

from peer import Checks, load

folder = sys.argv[1]
options = {"lr": 1e-3, "weight_decay": 0.1, "beta1": 0.9, "beta2": 0.98, "eps": 1e-6, "warmup": 0.05, "schedule": "cosine",
           "clip_norm": 1.0}
for word in sys.argv[2:]:
    key, value = word.removeprefix("optim.").split("=")
    options[key] = type(options[key])(value)

dump, shapes = load(f"{folder}/dump.safetensors"), load(f"{folder}/model.safetensors")
steps, numel = dump["gradients"].shape
sizes = [tensor.numel() for tensor in shapes.values()]
assert sum(sizes) == numel
parameters = {name: torch.nn.Parameter(part.view(shape.shape).clone())
              for (name, shape), part in zip(shapes.items(), dump["start"].split(sizes))}
# Matrices are decayed; vectors, scalars and what CLIP.no_weight_decay names are not.
decayed = [p for n, p in parameters.items() if p.ndim >= 2 and not n.endswith("positional_embedding")]
rest = [p for n, p in parameters.items() if p.ndim < 2 or n.endswith("positional_embedding")]
optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": options["weight_decay"]},
                               {"params": rest, "weight_decay": 0.0}],
                              lr=options["lr"], betas=(options["beta1"], options["beta2"]), eps=options["eps"])
warmup = round(options["warmup"] * steps) if options["warmup"] < 1 else int(options["warmup"])
scheduler = {"cosine": cosine_lr, "constant": const_lr}[options["schedule"]](optimizer, options["lr"], warmup, steps)

checks, rates, clipped, clamped = Checks(), [], 0, 0
for step in range(steps):
    rates.append(scheduler(step))
    for parameter, part in zip(parameters.values(), dump["gradients"][step].split(sizes)):
        parameter.grad = part.view(parameter.shape).clone()
    if options["clip_norm"] > 0:
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), options["clip_norm"])
        clipped += int(norm > options["clip_norm"])
        checks.equal(f"norm of step {step}", dump["norms"][step], norm, 1e-5, 0)
    optimizer.step()
    with torch.no_grad():  # as open_clip's training loop does
        clamped += int(parameters["logit_scale"] > math.log(100))
        parameters["logit_scale"].clamp_(0, math.log(100))

checks.equal("learning rates", dump["rates"], torch.tensor(rates), 1e-6, 0)
if options["clip_norm"] > 0:
    checks.true(f"some steps are clipped and some not ({clipped} of {steps})", 0 < clipped < steps)
checks.true("the logit scale met its clamp", clamped > 0)
ours = dict(zip(shapes, dump["master"].split(sizes)))
for name, parameter in parameters.items():
    moved = (parameter.detach() - dump["start"].split(sizes)[list(shapes).index(name)].view(parameter.shape)).abs().max()
    checks.equal(name, ours[name].view(parameter.shape), parameter.detach(), 1e-5, 1e-4 * moved.item())
checks.equal("weights that the towers use", dump["weights"].float(), dump["master"].to(dump["weights"].dtype).float(), 0, 1e-30)
checks.finish()
