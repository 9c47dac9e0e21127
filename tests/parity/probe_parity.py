"""probe_parity.py DUMP PEER [noisy | TRAIN TEST]: linear probes against their peers, on scikit-learn's digits, on digits
under noise, or on features in safetensors files (x, y). DUMP is the program eval_dump.
  lbfgs           scikit-learn's LogisticRegression, C by C
  sgd             a loop of PyTorch over torch.optim.SGD
  adamw           CLIP_benchmark's training loop, weight decay by weight decay
  clip_benchmark  CLIP_benchmark's whole probe: search, last training, accuracies
  time            seconds of the sweeps beside the peers'; not a test (bench/README.md)"""
import contextlib
import io
import math
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

warnings.filterwarnings("ignore")
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
failed = 0


def say(fine, text):
    global failed
    failed += not fine
    print(f"{'equal' if fine else 'NOT equal'}: {text}", flush=True)


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def digits(noise=0.0):
    data = load_digits()
    x = unit(data.data + noise * np.random.default_rng(0).normal(size=data.data.shape))
    parts = train_test_split(x, data.target.astype(np.int64), test_size=0.3, stratify=data.target, random_state=0)
    return parts[0], parts[2], parts[1], parts[3]


def read(train, test):
    """Features of two sets, of unit length, of the classes that have some training samples, numbered from zero."""
    labels, count = np.unique(load_file(train)["y"], return_counts=True)
    labels = labels[count >= 5]
    for part in (load_file(train), load_file(test)):
        known = np.isin(part["y"], labels)
        yield unit(part["x"][known])
        yield np.searchsorted(labels, part["y"][known]).astype(np.int64)


def whole(dump, name):
    return dump[name].astype(np.float64) + dump[name + "_rest"].astype(np.float64)


def ours(words, **data):
    with tempfile.TemporaryDirectory() as folder:
        save_file({k: np.ascontiguousarray(v) for k, v in data.items()}, Path(folder) / "data.safetensors")
        subprocess.run([sys.argv[1], words[0], folder, *map(str, words[1:])], check=True)
        return load_file(Path(folder) / "dump.safetensors")


def accuracy(weight, bias, x, y):
    return float(((x.astype(np.float64) @ weight + bias).argmax(1) == y).mean())


def relative(a, b):
    return float(np.abs(a - b).max() / np.abs(b).max())


def centred(bias):  # a constant added to every class changes nothing
    return bias - bias.mean()


def lbfgs(x, y, test_x, test_y):
    cs = [1e-4, 0.01, 1.0, 100.0]
    dump = ours(["heads", "lbfgs", *cs, "--", "probe.tolerance=1e-9", "probe.max_iterations=20000"], train_x=x, train_y=y)
    for i, c in enumerate(cs):
        peer = LogisticRegression(C=c, tol=1e-9, max_iter=20000).fit(x.astype(np.float64), y)
        weight, bias = whole(dump, "weight")[i], whole(dump, "bias")[i]
        worst = max(relative(weight, peer.coef_.T), relative(centred(bias), centred(peer.intercept_)))
        a, b = accuracy(weight, bias, test_x, test_y), peer.score(test_x.astype(np.float64), test_y)
        say(worst < 1e-4 and a == b, f"C = {c:g}: largest difference {worst:.1e}, accuracy {a:.4f} and {b:.4f}")
    dump = ours(["heads", "lbfgs", *cs], train_x=x, train_y=y)  # in single precision, to the tolerance of clip_hpc eval
    for i, c in enumerate(cs):
        peer = LogisticRegression(C=c, tol=1e-9, max_iter=20000).fit(x.astype(np.float64), y)
        weight, bias = whole(dump, "weight")[i], whole(dump, "bias")[i]
        worst = max(relative(weight, peer.coef_.T), relative(centred(bias), centred(peer.intercept_)))
        a, b = accuracy(weight, bias, test_x, test_y), peer.score(test_x.astype(np.float64), test_y)
        say(worst < 0.03 and abs(a - b) <= 2.01 / len(test_y),
            f"C = {c:g}, as by default: largest difference {worst:.1e}, accuracy {a:.4f} and {b:.4f}")


def loader(x, y, batch):
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y)),
                                       batch_size=batch, shuffle=True)


def sgd(x, y, test_x, test_y):
    rates, epochs, batch = [0.01, 0.3, 5.0], 20, 100
    dump = ours(["heads", "sgd", *rates, "--", f"probe.epochs={epochs}", f"probe.batch={batch}"], train_x=x, train_y=y)
    for i, rate in enumerate(rates):
        head = torch.nn.Linear(x.shape[1], int(y.max()) + 1)
        for p in head.parameters():
            torch.nn.init.zeros_(p)
        optimizer = torch.optim.SGD(head.parameters(), lr=rate, momentum=0.9)
        torch.manual_seed(0)
        samples = loader(x, y, batch)
        for epoch in range(epochs):
            optimizer.param_groups[0]["lr"] = rate * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
            for a, b in samples:
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(head(a), b).backward()
                optimizer.step()
        compare(f"lr = {rate:g}", dump, i, head, test_x, test_y)


def compare(name, dump, i, head, test_x, test_y):
    peer = [p.detach().double().numpy() for p in head.parameters()]
    weight, bias = whole(dump, "weight"), whole(dump, "bias")
    weight, bias = (weight, bias) if i is None else (weight[i], bias[i])
    worst = max(relative(weight, peer[0].T), relative(bias, peer[1]))
    a, b = accuracy(weight, bias, test_x, test_y), accuracy(peer[0].T, peer[1], test_x, test_y)
    say(worst < 2e-3 and abs(a - b) <= 1.01 / len(test_y),  # one sample at most between two classes
        f"{name}: largest difference {worst:.1e}, accuracy {a:.4f} and {b:.4f}")


def peer_module():
    """CLIP_benchmark's module, whose device is the processor: it asks for CUDA by name."""
    from clip_benchmark.metrics import linear_probe
    if np.lib.NumpyVersion(np.__version__) >= "2.4.0":  # there float() takes no array of one
        sys.modules[linear_probe.accuracy.__module__].float = lambda value: float(np.asarray(value).item())
    torch.nn.Module.cuda = lambda self, *_: self
    torch.Tensor.cuda = lambda self, *_, **__: self
    to = torch.Tensor.to
    torch.Tensor.to = lambda self, *a, **k: to(self, *("cpu" if w == "cuda" else w for w in a), **k)
    return linear_probe


def adamw(x, y, test_x, test_y):
    module, decays, batch = peer_module(), [0.0, 1e-4, 0.1, 10.0], 64
    dump = ours(["heads", "adamw", *decays, "--", f"probe.batch={batch}"], train_x=x, train_y=y)
    for i, decay in enumerate(decays):
        with contextlib.redirect_stdout(io.StringIO()):
            head = module.train(loader(x, y, batch), x.shape[1], int(y.max()) + 1, decay, 0.1, 10, False, "cpu", 0)
        compare(f"weight decay {decay:g}", dump, i, head, test_x, test_y)


def evaluate_peer(module, parts, batch):
    """CLIP_benchmark's own evaluate on features that it finds cached."""
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "m").mkdir()
        for name, (x, y) in parts.items():
            torch.save(torch.from_numpy(x), f"{root}/m/features_{name}.pt")
            torch.save(torch.from_numpy(y), f"{root}/m/targets_{name}.pt")
        torch.manual_seed(0)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return module.evaluate(torch.nn.Identity(), None, None, -1, batch, 0, 0.1, 10, "m", 0, root, "cuda",
                                   val_dataloader=object(), amp=False)


def split(x, y):
    parts = train_test_split(x, y, test_size=0.2, stratify=y, random_state=1)
    return parts[0], parts[2], parts[1], parts[3]


def clip_benchmark(x, y, test_x, test_y):
    module, batch = peer_module(), 64
    train_x, train_y, val_x, val_y = split(x, y)
    peer = evaluate_peer(module, {"train": (train_x, train_y), "val": (val_x, val_y), "test": (test_x, test_y)}, batch)
    torch.manual_seed(0)
    order = torch.randperm(len(train_y)).numpy()  # CLIP_benchmark's first act
    dump = ours(["probe", "adamw", "--", f"probe.batch={batch}"], train_x=train_x[order], train_y=train_y[order],
                val_x=val_x, val_y=val_y)
    value = float(whole(dump, "value").reshape(()))
    a, b = accuracy(whole(dump, "weight"), whole(dump, "bias"), test_x, test_y), float(peer["lp_acc1"])
    say(math.isclose(value, peer["weight_decay"], rel_tol=1e-9) and abs(a - b) <= 1.01 / len(test_y),
        f"{len(dump['trials'])} trainings, weight decay {value:.4g} and {peer['weight_decay']:.4g}, "
        f"accuracy {a:.4f} and {b:.4f}")


def timed(function):
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def seconds(dump):
    return float(whole(dump, "seconds").reshape(()))


def measure(x, y, test_x, test_y):
    """The best of three turns, each side on the threads of OMP_NUM_THREADS."""
    many = int(y.max()) > 500
    module, batch = peer_module(), 256 if many else 64
    train_x, train_y, val_x, val_y = split(x, y)
    data = dict(train_x=train_x, train_y=train_y, val_x=val_x, val_y=val_y)
    parts = {"train": (train_x, train_y), "val": (val_x, val_y), "test": (test_x, test_y)}
    cs = [1.0] if many else [10.0 ** e for e in range(-6, 7, 2)]
    sides = {
        "adamw probe": lambda: seconds(ours(["probe", "adamw", "--", f"probe.batch={batch}"], **data)),
        "its peer, CLIP_benchmark": lambda: timed(lambda: evaluate_peer(module, parts, batch))[0],
        "lbfgs": lambda: seconds(ours(["heads", "lbfgs", *cs, "--", "probe.tolerance=1e-4"], train_x=train_x,
                                      train_y=train_y)),
    }
    for kind in (np.float64, np.float32):
        sides[f"its peer, scikit-learn, {kind.__name__}"] = lambda kind=kind: timed(
            lambda: [LogisticRegression(C=c, max_iter=1000).fit(train_x.astype(kind), train_y) for c in cs])[0]
    turns = [[side() for side in sides.values()] for _ in range(1 if many else 3)]
    print(f"{train_x.shape[0]} samples of {train_x.shape[1]} features, {int(y.max()) + 1} classes, C: {cs}")
    for name, best in zip(sides, np.min(turns, axis=0)):
        print(f"{name}: {best:.3f} s")


def main():
    data = list(read(*sys.argv[3:])) if len(sys.argv) > 4 else digits(30.0 if len(sys.argv) > 3 else 0.0)
    {"lbfgs": lbfgs, "sgd": sgd, "adamw": adamw, "clip_benchmark": clip_benchmark, "time": measure}[sys.argv[2]](*data)
    sys.exit(failed > 0)


main()
