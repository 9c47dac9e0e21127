"""CLIP_benchmark's own program on exported folders, beside what clip_hpc says of the same data.

convert FOLDER                            its exporter: a classification and captions, several a picture
eval MODEL ROOT RESULTS NAME:TASK...      its eval, as a user calls it; one JSON file each in RESULTS
compare OURS RESULTS NAME:TASK...         the files of both: the same counts
build CSV FOLDER                          its build, of the files that clip_hpc wrote
nan WEIGHTS OUT                           the same weights with one that is not a number
"""
import csv
import json
import sys
from pathlib import Path
from unittest import mock

import torch

from peer import Checks, read_json


def program():
    """clip_benchmark.cli. Its task captioning alone wants pycocoevalcap (and Java), which is not asked for here."""
    for name in ("tokenizer.ptbtokenizer", "bleu.bleu", "meteor.meteor", "rouge.rouge", "cider.cider", "spice.spice"):
        parts = ("pycocoevalcap." + name).split(".")
        for i in range(1, len(parts) + 1):
            sys.modules.setdefault(".".join(parts[:i]), mock.MagicMock())
    from clip_benchmark import cli
    # Its float(array of one number) is an error from NumPy 2.4 on; it means the number.
    cli.zeroshot_classification.float = lambda value: float(value.item() if hasattr(value, "item") else value)
    return cli


def call(*words):
    cli = program()
    with mock.patch.object(sys, "argv", ["clip_benchmark", *map(str, words)]):
        cli.main()


def convert(folder):
    import io

    import numpy as np
    from clip_benchmark import webdataset_builder
    from PIL import Image
    random = np.random.default_rng(3)
    words = "alpha beta gamma delta small capital letter greek with and".split()

    def picture(shade):
        noise = random.integers(0, 90, (40, 30 + shade % 9, 3), dtype=np.uint8)
        return Image.fromarray(noise + np.uint8(shade % 160))

    def phrase():
        return " ".join(random.choice(words, random.integers(1, 9)))

    class Pairs(list):
        classes = ["greek small letter alpha", "greek capital letter omega", "noise", "light", "dark", "beta"]
        templates = ["a picture of {c}.", "{c}"]

    # Its loader forks workers that need pickles; a list of bytes is the plainest input.
    def as_bytes(image, kind):
        stream = io.BytesIO()
        image.save(stream, kind, **({"lossless": True} if kind == "webp" else {}))
        return stream.getvalue()

    labelled = Pairs((as_bytes(picture(i), "webp"), i % 5) for i in range(150))
    webdataset_builder.convert_dataset(labelled, "test", f"{folder}/classes", max_count=64, verbose=False)
    captions = Pairs((as_bytes(picture(i), "png"), [f"{i} {chr(97 + j)} {phrase()}" for j in range(1 + i % 5)]) for i in range(150))
    webdataset_builder.convert_retrieval_dataset(captions, "test", f"{folder}/captions", image_format="png", max_count=64,
                                                 verbose=False)


def split(words):
    return [word.rsplit(":", 1) for word in words]


def first_of_equals(scores, k, dim=1):
    """torch.topk gives equal scores in any order; this is the one in which clip_hpc counts."""
    values, indices = torch.sort(scores, dim=dim, descending=True, stable=True)
    return values.narrow(dim, 0, k), indices.narrow(dim, 0, k)


def evaluate(model, root, results, *words):
    Path(results).mkdir(exist_ok=True)
    for name, task in split(words):
        order = first_of_equals if name.startswith("equal_") else torch.topk  # sets whose captions repeat
        with mock.patch.object(torch, "topk", order):
            call("eval", "--dataset", f"wds/{name}", "--dataset_root", f"{root}/{name}", "--task", task, "--model",
                 f"local-dir:{model}", "--pretrained", "", "--no_amp", "--num_workers", 0, "--recall_k", 1, 5, 10,
                 "--output", f"{results}/{name}_{task}.json")


def compare(ours, results, *words):
    checks, mine = Checks(), {}
    for path in Path(ours).glob("*.json"):
        entry = read_json(path)
        mine[entry["dataset"], entry["task"]] = entry
        checks.true(f"{path.name} is not named as by its default",
                    path.name == "{dataset}_{pretrained}_{model}_{language}_{task}.json".format(**entry).replace("/", "_"))
    for name, task in split(words):
        entry, peer = mine[name, task], read_json(f"{results}/{name}_{task}.json")
        checks.true(f"{name}: fields {sorted(entry)}", set(peer) <= set(entry))
        n = entry["n"]
        for metric, value in peer["metrics"].items():
            own = entry["metrics"][metric]
            if metric.startswith("acc"):
                counts = round(own * n), round(value * n)
                checks.true(f"{name}: {metric}: {counts} of {n} images", counts[0] == counts[1] and abs(own * n - counts[0]) < 1e-6)
            else:
                checks.true(f"{name}: {metric}: {own} and {value}", abs(own - value) < 1e-6)
        print(f"{name} {task}, n = {n}:", " ".join(f"{k} {v:.5f}" for k, v in peer["metrics"].items()))
    checks.finish()


def build(table, folder):
    files = sorted(Path(folder).glob("*.json"))
    call("build", *files, "--output", table)
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    checks = Checks()
    checks.true(f"{len(rows)} rows of {len(files)} files", len(rows) == len(files) > 0)
    for path, row in zip(files, rows):
        entry = json.loads(path.read_text())
        checks.true(f"{path.name}: the row has its numbers",
                    all(float(row[k]) == v for k, v in entry["metrics"].items()) and row["dataset"] == entry["dataset"])
    checks.finish()


def nan(weights, out):
    from safetensors.torch import load_file, save_file
    tensors = load_file(weights)
    tensors["visual.proj"][0, 0] = float("nan")
    save_file(tensors, out)


{"convert": convert, "eval": evaluate, "compare": compare, "build": build, "nan": nan}[sys.argv[1]](*sys.argv[2:])
