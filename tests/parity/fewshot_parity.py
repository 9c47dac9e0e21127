"""fewshot_parity.py DUMP: few-shot regression against NumPy, by the recipe of big_vision's fewshot_lsr: heads to 1e-6 of
their largest weight, and the same answers. DUMP is the program eval_dump."""
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from sklearn.datasets import load_digits


def ridge(x, y, classes, l2):
    """A head on raw features: weight [dim, classes], bias [classes]."""
    mean, deviation = x.mean(0), x.std(0) + 1e-5
    x = np.pad((x - mean) / deviation, ((0, 0), (0, 1)), constant_values=100.0)
    y = 2.0 * np.eye(classes)[y] - 1.0
    n, dim = x.shape
    if n >= dim:
        w = np.linalg.solve(x.T @ x + l2 * np.eye(dim), x.T @ y)
    else:
        w = x.T @ np.linalg.solve(x @ x.T + l2 * np.eye(n), y)
    weight = w[:-1] / deviation[:, None]
    return weight, 100.0 * w[-1] - mean @ weight


def whole(dump, name):
    return dump[name].astype(np.float64) + dump[name + "_rest"].astype(np.float64)


def sets():
    digits = load_digits()
    yield "digits", digits.data.astype(np.float32), digits.target.astype(np.int64)
    random = np.random.default_rng(0)  # wide features far from zero, and one that is constant
    labels = np.arange(600) % 20
    x = random.normal(3, 1, (20, 300))[labels] + random.normal(0, 2, (600, 300)) * random.uniform(0.01, 30, 300)
    x[:, 7] = 5
    yield "wide", x.astype(np.float32), labels.astype(np.int64)


def main():
    failed = 0
    for name, x, y in sets():
        classes = int(y.max()) + 1
        for shots in (1, 5, 10, 25):
            for seed in (0, 1, 2):
                with tempfile.TemporaryDirectory() as folder:
                    save_file({"train_x": x, "train_y": y}, Path(folder) / "data.safetensors")
                    l2s = (0.01, 1024.0)
                    subprocess.run([sys.argv[1], "fewshot", folder, str(shots), str(seed), *map(str, l2s)], check=True)
                    dump = load_file(Path(folder) / "dump.safetensors")
                rows = dump["rows"]
                fine = len(set(rows)) == len(rows) and all(np.bincount(y[rows], minlength=classes) == shots)
                rest = np.setdiff1d(np.arange(len(y)), rows)
                worst = 0.0
                for i, l2 in enumerate(l2s):
                    weight, bias = ridge(x[rows].astype(np.float64), y[rows], classes, l2)
                    ours = whole(dump, f"weight_{i}"), whole(dump, f"bias_{i}")
                    worst = max(worst, *(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(ours, (weight, bias))))
                    answers = [(x[rest].astype(np.float64) @ w + b).argmax(1) for w, b in (ours, (weight, bias))]
                    fine = fine and (answers[0] == answers[1]).all()
                fine = fine and worst < 1e-6
                failed += not fine
                accuracy = (answers[0] == y[rest]).mean()
                print(f"{name}, {shots} shots, seed {seed}: {'equal' if fine else 'NOT equal'}, "
                      f"largest difference {worst:.1e}, accuracy {accuracy:.4f}")
    sys.exit(failed > 0)


main()
