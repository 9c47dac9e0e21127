"""Initial weights of parity_dump against open_clip's: mean, deviation and shape of the distribution of every parameter,
within five standard errors of two samples of that size. Standard input: lines of NAME MODEL.json FOLDER; prints a line
"equal NAME" or "differs NAME" for each."""
import math
import sys

import torch

from peer import Checks, load, model_of, read_json


def kurtosis(x):
    return (((x - x.mean()) / x.std()) ** 4).mean().item()  # normal 3, uniform 1.8


def compare(config, folder):
    ours, checks = load(f"{folder}/model.safetensors"), Checks()
    torch.manual_seed(0)
    model = model_of(config)
    peer = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    model.load_state_dict(ours, strict=True)  # names and shapes
    for name, expected in peer.items():
        a, b = ours[name].double().flatten(), expected.double().flatten()
        n = a.numel()
        if n == 1 or b.std() == 0:
            checks.true(f"{name}: {a[0]:.6f} for all, peer {b[0]:.6f}", torch.allclose(a, b, rtol=1e-6, atol=0))
            continue
        checks.equal(f"{name}: deviation", a.std() / b.std(), torch.tensor(1.0), 5 / math.sqrt(n), 0)
        checks.equal(f"{name}: mean", a.mean() / b.std(), b.mean() / b.std(), 0, 5 * math.sqrt(2 / n))
        if n >= 512:
            checks.equal(f"{name}: kurtosis", torch.tensor(kurtosis(a)), torch.tensor(kurtosis(b)), 0, 5 * math.sqrt(48 / n))
        if kurtosis(b) < 2.2 and n >= 512:
            checks.equal(f"{name}: bounds", a.abs().max(), b.abs().max(), 0.05, 0)
    return checks


for line in sys.stdin:
    name, path, folder = line.split()
    checks = compare(read_json(path), folder)
    print(f"{'differs' if checks.failed else 'equal'} {name}")
    print(checks.summary())
