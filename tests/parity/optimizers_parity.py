"""optimizers_parity.py FOLDER [section.key=value]...: parity_dump's weights after many steps against the definition in
double precision and against timm (adafactorbv, lamb, sgdw), which compute decay, moments and clipping themselves.

Learning rates are the dump's, and compared with open_clip's where it has the schedule."""
import sys

import numpy as np
import torch
from open_clip_train.scheduler import const_lr, const_lr_cooldown, cosine_lr
from timm.optim.adafactor_bv import AdafactorBigVision
from timm.optim.lamb import Lamb
from timm.optim.sgdw import SGDW

from peer import Checks, load

folder = sys.argv[1]
options = {"name": "adafactor", "lr": 1e-3, "weight_decay": 0.1, "beta1": 0.9, "beta2": 0.98, "eps": 1e-6, "warmup": 0.05,
           "schedule": "cosine", "cooldown": 0.0, "clip_norm": 1.0, "nesterov": "false"}
for word in sys.argv[2:]:
    key, value = word.removeprefix("optim.").split("=")
    options[key] = type(options[key])(value)
name, base, decay = options["name"], options["lr"], options["weight_decay"]
beta1, beta2 = options["beta1"], options["beta2"]

dump, shapes = load(f"{folder}/dump.safetensors"), load(f"{folder}/model.safetensors")
steps, numel = dump["gradients"].shape
sizes = [tensor.numel() for tensor in shapes.values()]
assert sum(sizes) == numel
names = list(shapes)
HEAD = 32  # width of a head, in both towers


def split(flat, dtype):
    return {n: part.to(dtype).view(shapes[n].shape).clone() for n, part in zip(names, flat.split(sizes))}


def is_decayed(n):
    return shapes[n].ndim >= 2 and not n.endswith("positional_embedding")


def as_flax(n, x):
    """The tensors that big_vision has for one of ours, as views: a projection has an axis for its heads."""
    if n.endswith("in_proj_weight"):  # [3 * width, width] -> query, key, value, each [width, heads, head width]
        return [part.view(-1, HEAD, x.shape[1]).permute(2, 0, 1) for part in x.chunk(3)]
    if n.endswith("attn.out_proj.weight"):  # [width, width] -> [heads, head width, width]
        return [x.view(x.shape[0], -1, HEAD).permute(1, 2, 0)]
    if x.ndim == 4:  # OIHW -> HWIO
        return [x.permute(2, 3, 1, 0)]
    if x.ndim == 2 and n.endswith(".weight") and not n.endswith("embedding.weight"):  # [out, in] -> [in, out]
        return [x.T]
    return [x]


class Adafactor:
    """scale_by_adafactor of big_vision/optax.py on optax' factoring, for one tensor, in double precision."""

    def __init__(self, shape):
        order = np.argsort(shape, kind="stable") if len(shape) else []
        self.axes = (int(order[-2]), int(order[-1])) if len(shape) >= 2 and shape[order[-2]] >= 32 else None
        self.m = torch.zeros(shape, dtype=torch.float64)
        if self.axes:
            d1, d0 = self.axes
            self.row = torch.zeros([s for i, s in enumerate(shape) if i != d0], dtype=torch.float64)
            self.col = torch.zeros([s for i, s in enumerate(shape) if i != d1], dtype=torch.float64)
        else:
            self.v = torch.zeros(shape, dtype=torch.float64)

    def update(self, g, step):
        b2 = min(beta2, 1 - (step + 1.0) ** -0.8)
        g2 = g * g + 1e-30
        if self.axes:
            d1, d0 = self.axes
            self.row = b2 * self.row + (1 - b2) * g2.mean(d0)
            self.col = b2 * self.col + (1 - b2) * g2.mean(d1)
            reduced = d1 - 1 if d1 > d0 else d1
            row = (self.row / self.row.mean(reduced, keepdim=True)) ** -0.5
            u = g * row.unsqueeze(d0) * (self.col ** -0.5).unsqueeze(d1)
        else:
            self.v = b2 * self.v + (1 - b2) * g2
            u = g * self.v ** -0.5
        m = beta1 * self.m + (1 - beta1) * u
        self.m = m.to(torch.float32).to(torch.bfloat16).double()
        return m


def clipped(step, dtype):
    g, limit = dump["gradients"][step].to(dtype), options["clip_norm"]
    norm = torch.linalg.vector_norm(g.double()).item()
    return split(g * (limit / (norm + 1e-6) if 0 < limit < norm else 1.0), dtype)


def clamp(parameters):
    parameters["logit_scale"].clamp_(0, np.log(100))


def definition():
    """Adafactor's. The others are compared with timm in double precision."""
    x = split(dump["start"], torch.float64)
    states = {n: [Adafactor(view.shape) for view in as_flax(n, x[n])] for n in names}
    for step in range(steps):
        schedule = dump["rates"][step].item() / base
        for n, gradient in clipped(step, torch.float64).items():
            for state, view, g in zip(states[n], as_flax(n, x[n]), as_flax(n, gradient)):
                m = state.update(g, step)
                view.sub_(schedule * (base * m + (decay * view if is_decayed(n) else 0)))
        clamp(x)
    return x


def peer(dtype):
    x = split(dump["start"], dtype)
    views = {n: [torch.nn.Parameter(v) for v in (as_flax(n, x[n]) if name == "adafactor" else [x[n]])] for n in names}
    groups = [{"params": [v for n in names if is_decayed(n) == on for v in views[n]],
               "weight_decay": decay if on else 0.0} for on in (True, False)]
    if name == "adafactor":
        optimizer = AdafactorBigVision(groups, lr=base, min_dim_size_to_factor=32, beta2_cap=beta2, momentum=beta1,
                                       momentum_dtype="float32", eps=1e-30, unscaled_wd=True, corrected_weight_decay=True)
        for group in optimizer.param_groups:
            group["momentum_dtype"] = dtype
    elif name == "lamb":
        optimizer = Lamb(groups, lr=base, betas=(beta1, beta2), eps=options["eps"], max_grad_norm=None)
    else:
        optimizer = SGDW(groups, lr=base, momentum=beta1, nesterov=options["nesterov"] == "true")
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = dump["rates"][step].item()
        for n, gradient in clipped(step, dtype).items():
            for view, g in zip(views[n], as_flax(n, gradient) if name == "adafactor" else [gradient]):
                view.grad = g.clone()
        optimizer.step()
        with torch.no_grad():
            clamp({n: views[n][0] for n in ("logit_scale",)})
    # Views share their tensor's memory, so x has followed.
    return x


def compare(what, found, rtol, typical):
    """Every tensor within a share of how far it moved, and a smaller one of it on average."""
    worst = 0.0
    for n, start in split(dump["start"], torch.float64).items():
        moved = (found[n].double() - start).abs().max().item()
        difference = (ours[n] - found[n].double()).abs()
        rounding = 1e-7 + 2e-6 * start.abs().max().item()  # of fp32 in many steps
        checks.equal(f"{what}: {n}", ours[n], found[n].double(), 0, rtol * moved + rounding)
        if start.numel() >= 64:  # of a scalar the average is the largest
            checks.true(f"{what}: {n} differs by {difference.mean():.3g} on average, moved by {moved:.3g}",
                        difference.mean().item() <= typical * moved + rounding)
        worst = max(worst, difference.max().item() / max(moved, 1e-30))
    print(f"{name}, {what}: largest difference {worst:.2g} of the largest movement of its tensor")


checks, ours = Checks(), split(dump["master"], torch.float64)
clipped_steps = int((dump["norms"] > options["clip_norm"]).sum())
checks.true("some steps are clipped and some not", 0 < clipped_steps < steps)
warmup = round(options["warmup"] * steps) if options["warmup"] < 1 else int(options["warmup"])
cooldown = round(options["cooldown"] * steps) if options["cooldown"] < 1 else int(options["cooldown"])
nothing = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
scheduler = (const_lr_cooldown(nothing, base, warmup, steps, cooldown) if cooldown
             else {"cosine": cosine_lr, "constant": const_lr}[options["schedule"]](nothing, base, warmup, steps))
checks.equal("learning rates", dump["rates"], torch.tensor([scheduler(step) for step in range(steps)]), 1e-6, 0)
if name == "adafactor":
    # Where our first moment rounds to the other bf16 than the definition's, 1/256 of it stays for some steps.
    compare("definition", definition(), 5e-3, 2e-5)
    # timm's first moment is not rounded here: rounded ones would be taken for the update, too.
    compare("timm", peer(torch.float32), 2e-2, 2e-3)
else:
    compare("timm", peer(torch.float64), 1e-4, 1e-5)
checks.equal("weights that the towers use", dump["weights"].float(), dump["master"].to(dump["weights"].dtype).float(), 0, 1e-30)
checks.finish()
