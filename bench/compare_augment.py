#!/usr/bin/env python3
"""How fast one core augments: `clip_hpc bench augment` beside Pillow, torchvision and timm, in turns.

  .deps/venv/bin/python3 bench/compare_augment.py

Operations on 224 x 224 RGB with the same values, views of a 256 x 256 picture; PIL images on the side of the peers, as
their loaders use them. A view of a peer ends as a tensor of bytes, [3, 224, 224]. Rates are of the processor's time of one
thread, so that other programs on the machine change little."""
import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from timm.data import auto_augment as timm_ops
from torchvision import transforms as tv
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv_functional
from torchvision.transforms.autoaugment import _apply_op

root = Path(__file__).resolve().parent.parent
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rounds", type=int, default=3, help="turns of each side [3]")
parser.add_argument("--seconds", type=float, default=0.2, help="of one measurement [0.2]")
parser.add_argument("--program", type=Path, default=root / "build/release/bin/clip_hpc")
parser.add_argument("--json", type=Path, help="append one line a row to this file")
arguments = parser.parse_args()
torch.set_num_threads(1)

y, x = np.mgrid[0:256, 0:256]
scene = np.stack([128 + 90 * np.sin(x / 17) * np.cos(y / 29), x * 0.9 + 10, 255 - (x + y) * 0.4], 2)
source = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
image = source.resize((224, 224))


def op(name, value=0.0):
    return lambda: _apply_op(image, name, value, InterpolationMode.NEAREST, None)


def smooth(function, value, sampling):
    return lambda: function(image, value, resample=sampling, fillcolor=(128, 128, 128))


def view(*steps, filter_=InterpolationMode.BICUBIC):
    composed = tv.Compose([tv.RandomResizedCrop(224, scale=(0.08, 1.0), interpolation=filter_),
                           tv.RandomHorizontalFlip(), *steps, tv.PILToTensor()])
    return lambda: composed(source)


class Blur:  # SLIP's
    def __call__(self, picture):
        return picture.filter(ImageFilter.GaussianBlur(radius=np.random.uniform(0.1, 2.0)))


simclr = [tv.RandomApply([tv.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8), tv.RandomGrayscale(p=0.2),
          tv.RandomApply([Blur()], p=0.5)]
peers = {
    "flip": lambda: tv_functional.hflip(image),
    "brightness": op("Brightness", 0.6), "contrast": op("Contrast", 0.6), "color": op("Color", 0.9),
    "sharpness": op("Sharpness", 0.9),
    "hue": lambda: tv_functional.adjust_hue(image, 0.1),
    "grey": lambda: tv_functional.to_grayscale(image, 3),
    "blur": lambda: image.filter(ImageFilter.GaussianBlur(radius=1.5)),
    "autocontrast": op("AutoContrast"), "equalize": op("Equalize"), "invert": op("Invert"),
    "posterize": op("Posterize", 3), "solarize": op("Solarize", 128.0),
    "solarize_add": lambda: timm_ops.solarize_add(image, 99),
    "shear_x": op("ShearX", 0.3), "shear_y": op("ShearY", 0.3),
    "translate_x": op("TranslateX", 40.0), "translate_y": op("TranslateY", 40.0), "rotate": op("Rotate", 27.0),
    "shear_x_bilinear": smooth(timm_ops.shear_x, 0.3, Image.Resampling.BILINEAR),
    "shear_x_bicubic": smooth(timm_ops.shear_x, 0.3, Image.Resampling.BICUBIC),
    "rotate_bilinear": smooth(timm_ops.rotate, 27, Image.Resampling.BILINEAR),
    "rotate_bicubic": smooth(timm_ops.rotate, 27, Image.Resampling.BICUBIC),
    "view_crop_flip": view(),
    "view_simclr": view(*simclr, filter_=InterpolationMode.BILINEAR),
    "view_rand_torchvision": view(tv.RandAugment()),
    "view_rand_timm": view(timm_ops.rand_augment_transform("rand-m9-n2", {})),
    "view_trivial": view(tv.TrivialAugmentWide()),
    "view_auto": view(tv.AutoAugment()),
}


def rate(once):
    begin, done = time.thread_time(), 0
    while time.thread_time() - begin < arguments.seconds:
        once()
        done += 1
    return done / (time.thread_time() - begin)


ours, theirs = {}, {}
for _ in range(arguments.rounds):
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as lines:
        subprocess.run([arguments.program, "bench", "augment", "--seconds", str(arguments.seconds), "--json", lines.name],
                       check=True, stdout=subprocess.DEVNULL)
        for line in Path(lines.name).read_text().splitlines():
            measured = json.loads(line)
            ours.setdefault(measured["what"].removeprefix("augment_"), []).append(measured["samples_per_s"])
    for name, once in peers.items():
        theirs.setdefault(name, []).append(rate(once))

print(f"{'what':<24} {'clip_hpc/s':>12} {'peer/s':>10} {'ratio':>7}")
for name, rates in ours.items():
    mine = statistics.median(rates)
    peer = statistics.median(theirs[name]) if name in theirs else None
    print(f"{name:<24} {mine:>12.0f} " + (f"{peer:>10.0f} {mine / peer:>7.1f}" if peer else f"{'-':>10} {'-':>7}"))
    if arguments.json:
        with open(arguments.json, "a", encoding="utf-8") as out:
            out.write(json.dumps({"bench": "compare_augment", "what": name, "images_per_s": mine, "peer_per_s": peer}) + "\n")
