"""Each operation of the augmentations against Pillow (by way of torchvision and timm, where they have it) and against the
formulas of big_vision's TensorFlow code, byte by byte; and what the policies draw against what torchvision and timm may draw.
  augment_parity.py DUMP SCRATCH
  augment_parity.py vectors   prints tests/data/augment/pillow_operations.txt"""
import math
import pathlib
import subprocess
import sys

import numpy as np
import PIL
from PIL import Image, ImageEnhance, ImageFilter
from timm.data import auto_augment as timm_ops
from torchvision.transforms import InterpolationMode
from torchvision.transforms import autoaugment as tv_policies
from torchvision.transforms import functional as tv

SAMPLINGS = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR,
             "bicubic": Image.Resampling.BICUBIC}


def pictures():
    """name -> [height, width, channels]: noise, shapes, few values, an odd size, grey."""
    random = np.random.default_rng(5)
    y, x = np.mgrid[0:224, 0:224]
    smooth = np.stack([128 + 90 * np.sin(x / 17) * np.cos(y / 29), x * 0.9 + 10, 255 - (x + y) * 0.4], 2)
    small = random.integers(0, 256, (37, 53, 3))
    return {
        "noise": random.integers(0, 256, (224, 224, 3)),
        "smooth": np.clip(smooth + random.integers(0, 9, smooth.shape), 0, 255),
        "pale": random.integers(90, 131, (64, 96, 3)),
        "flat": np.full((40, 40, 3), (7, 200, 91)),
        "odd": small,
        "grey": smooth[:, :, :1],
        "tiny": small[:2, :2],
    }


# --- big_vision's formulas, in the precision of TensorFlow ---
f32 = np.float32


def tf_blend(low, high, factor):
    low, high = low.astype(f32), high.astype(f32)
    return np.clip(low + f32(factor) * (high - low), 0, 255).astype(np.uint8)


def tf_grey(image):
    if image.shape[2] == 1:
        return image
    unit = image.astype(f32) * f32(1 / 255)
    grey = unit[..., 0] * f32(0.2989) + unit[..., 1] * f32(0.587) + unit[..., 2] * f32(0.114)
    return (grey * f32(255.5)).astype(np.uint8)[..., None]


def tf_contrast(image, factor, mended):
    count = image.shape[0] * image.shape[1]
    mean = tf_grey(image).sum() / f32(count) if mended else min(count / 256, 255)
    return tf_blend(np.full_like(image, int(mean)), image, factor)


def tf_autocontrast(image, _):
    out = image.copy()
    for c in range(image.shape[2]):
        low, high = f32(image[..., c].min()), f32(image[..., c].max())
        if high > low:
            scale = f32(255) / (high - low)
            out[..., c] = np.clip(image[..., c].astype(f32) * scale + -low * scale, 0, 255).astype(np.uint8)
    return out


def tf_sharpness(image, factor):
    if min(image.shape[:2]) < 3:
        return image
    wide = image.astype(int)
    total = 4 * wide[1:-1, 1:-1]
    for dy in range(3):
        for dx in range(3):
            total = total + wide[dy:wide.shape[0] - 2 + dy, dx:wide.shape[1] - 2 + dx]
    smooth = image.copy()
    smooth[1:-1, 1:-1] = total // 13
    return tf_blend(smooth, image, factor)


def away_from_zero(value):  # C's round
    return np.trunc(value.astype(np.float64) + np.copysign(0.5, value)).astype(int)


def tf_transform(image, rows):
    height, width = image.shape[:2]
    a = [f32(v) for v in rows]
    y, x = np.mgrid[0:height, 0:width].astype(f32)
    column, row = away_from_zero(a[0] * x + a[1] * y + a[2]), away_from_zero(a[3] * x + a[4] * y + a[5])
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    out = image[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    out[~inside] = 128
    return out


def tf_rotate(image, degrees):
    angle = f32(degrees * math.pi / 180)
    cosine, sine = np.cos(angle), np.sin(angle)
    width, height = f32(image.shape[1] - 1), f32(image.shape[0] - 1)
    return tf_transform(image, [cosine, -sine, (width - (cosine * width - sine * height)) / f32(2),
                                sine, cosine, (height - (sine * width + cosine * height)) / f32(2)])


def cutout(image, half, at):
    height, width = image.shape[:2]
    column, row = int(at[0] * width), int(at[1] * height)
    out = image.copy()
    out[max(0, row - half):row + half, max(0, column - half):column + half] = 128
    return out


# --- Pillow ---
def to_pil(image):
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def by_pil(function):
    def run(image, value):
        out = np.asarray(function(to_pil(image), value))
        return out[..., None] if out.ndim == 2 else out
    return run


def by_torchvision(name):
    return by_pil(lambda image, value: tv_policies._apply_op(image, name, value, InterpolationMode.NEAREST, None))


def by_timm(function, sampling):
    return by_pil(lambda image, value: function(image, value, resample=SAMPLINGS[sampling],
                                                fillcolor=(128,) * len(image.getbands()) if image.mode == "RGB" else 128))


def cases():
    """(operation, value, fill, sampling, at, peer)"""
    none = (0, "nearest", (0, 0))
    for factor in (0.0, 0.1, 0.4, 0.73, 1.0, 1.27, 1.72, 1.9, 1.99):
        for ours, theirs in (("brightness", "Brightness"), ("contrast", "Contrast"), ("color", "Color"),
                             ("sharpness", "Sharpness")):
            yield ours, factor, *none, by_pil(
                lambda image, value, enhancer=getattr(ImageEnhance, theirs): enhancer(image).enhance(value))
    for hue in (-0.5, -0.1, -0.037, 0.0, 0.02, 0.1, 0.2, 0.5):
        yield "hue", hue, *none, by_pil(lambda image, value: tv.adjust_hue(image, value))
    for sigma in (0.1, 0.2, 0.5, 1.0, 1.37, 1.9, 2.0, 3.5, 9.0):
        yield "blur", sigma, *none, by_pil(lambda image, value: image.filter(ImageFilter.GaussianBlur(radius=value)))
    yield "identity", 0, *none, by_torchvision("Identity")
    yield "flip", 0, *none, by_pil(lambda image, _: tv.hflip(image))
    yield "grey", 0, *none, by_pil(lambda image, _: tv.to_grayscale(image, len(image.getbands())))
    for ours, theirs in (("autocontrast", "AutoContrast"), ("equalize", "Equalize"), ("invert", "Invert")):
        yield ours, 0, *none, by_torchvision(theirs)
    for bits in (1, 2, 3, 4, 7, 8):
        yield "posterize", bits, *none, by_torchvision("Posterize")
    for threshold in (0, 1, 26, 127.5, 178.5, 230, 255, 256):
        yield "solarize", threshold, *none, by_torchvision("Solarize")
    for addition in (0, 33, 99, 110, 128):
        yield "solarize_add", addition, *none, by_pil(lambda image, value: timm_ops.solarize_add(image, value))
    for value in (-0.99, -0.3, -0.09, 0.0, 0.27, 0.61):
        yield "shear_x", value, *none, by_torchvision("ShearX")
        yield "shear_y", value, *none, by_torchvision("ShearY")
    for pixels in (-32, -7, 0, 3, 30, 500):  # torchvision's move the other way
        yield "translate_x", pixels, *none, by_torchvision("TranslateX*")
        yield "translate_y", pixels, *none, by_torchvision("TranslateY*")
    for degrees in (-135, -90, -9, 0, 4.5, 9, 45, 90, 103.5, 180):
        yield "rotate", degrees, *none, by_torchvision("Rotate")
    for sampling in ("bilinear", "bicubic"):
        smooth = (128, sampling, (0, 0))
        for value in (-0.3, -0.27, 0.03, 0.27):
            yield "shear_x", value, *smooth, by_timm(timm_ops.shear_x, sampling)
            yield "shear_y", value, *smooth, by_timm(timm_ops.shear_y, sampling)
        for pixels in (-90.72, -12.6, 0.5, 33.75):
            yield "translate_x", pixels, *smooth, by_timm(timm_ops.translate_x_abs, sampling)
            yield "translate_y", pixels, *smooth, by_timm(timm_ops.translate_y_abs, sampling)
        for degrees in (-30, -27, 3.3, 27):
            yield "rotate", degrees, *smooth, by_timm(timm_ops.rotate, sampling)
    grey = (128, "nearest", (0, 0))
    yield "tf_autocontrast", 0, *grey, tf_autocontrast
    for factor in (0.1, 0.64, 1.0, 1.9):
        yield "brightness", factor, *grey, lambda image, value: tf_blend(np.zeros_like(image), image, value)
        yield "tf_color", factor, *grey, lambda image, value: (
            tf_blend(np.broadcast_to(tf_grey(image), image.shape), image, value) if image.shape[2] == 3 else image)
        yield "tf_contrast", factor, *grey, lambda image, value: tf_contrast(image, value, True)
        yield "tf_contrast_of_count", factor, *grey, lambda image, value: tf_contrast(image, value, False)
        yield "tf_sharpness", factor, *grey, tf_sharpness
    for value in (-0.3, -0.12, 0.0, 0.3):
        yield "tf_shear_x", value, *grey, lambda image, value: tf_transform(image, [1, value, 0, 0, 1, 0])
        yield "tf_shear_y", value, *grey, lambda image, value: tf_transform(image, [1, 0, 0, value, 1, 0])
    for value in (-100, -14.3, 0, 40, 100):
        yield "tf_translate_x", value, *grey, lambda image, value: tf_transform(image, [1, 0, value, 0, 1, 0])
        yield "tf_translate_y", value, *grey, lambda image, value: tf_transform(image, [1, 0, 0, 0, 1, value])
    for value in (-30, -12, 0, 7.5, 30):
        yield "tf_rotate", value, *grey, tf_rotate
    for at in ((0.5, 0.5), (0.01, 0.97), (0.99, 0.3)):
        yield "cutout", 40, 128, "nearest", at, lambda image, value, at=at: cutout(image, value, at)
        yield "cutout", 3, 128, "nearest", at, lambda image, value, at=at: cutout(image, value, at)


def planes(image):
    return np.ascontiguousarray(np.moveaxis(image, 2, 0))


def check_operations(dump, scratch):
    images = {name: image.astype(np.uint8) for name, image in pictures().items()}
    every = np.arange(1 << 24, dtype=np.uint32).reshape(4096, 4096)
    images["all colours"] = np.stack([every & 255, every >> 8 & 255, every >> 16], 2).astype(np.uint8)
    jobs, expected = [], []
    for name, image in images.items():
        file = scratch / f"{name.replace(' ', '_')}.raw"
        file.write_bytes(planes(image).tobytes())
        height, width, channels = image.shape
        for operation, value, fill, sampling, at, peer in cases():
            if name == "all colours" and (operation, value) not in (("hue", 0.1), ("color", 1.72), ("grey", 0)):
                continue
            jobs.append(f"apply {file} {width} {height} {channels} {operation} {value!r} {fill} {sampling} {at[0]} {at[1]}")
            expected.append((operation, f"{operation} {value} {sampling} of {name}", planes(peer(image.copy(), value))))
    got_all = np.frombuffer(run_dump(dump, scratch, jobs), np.uint8)
    at, worst, bad = 0, {}, 0
    for operation, title, want in expected:
        got = got_all[at:at + want.size].reshape(want.shape)
        at += want.size
        wrong = int((got != want).sum())
        before = worst.get(operation, (0, 0, 0))
        worst[operation] = (before[0] + 1, before[1] + want.size, before[2] + wrong)
        if wrong:
            bad += 1
            print(f"  differs: {title}: {wrong} of {want.size} bytes, by up to {np.abs(got.astype(int) - want).max()}")
    for operation, (count, size, wrong) in worst.items():
        print(f"  {operation}: {count} cases, {size} bytes, {wrong} differ")
    print(f"{len(expected)} cases of operations, {bad} differ")
    return bad == 0 and at == got_all.size


def run_dump(dump, scratch, jobs):
    (scratch / "jobs").write_text("\n".join(jobs) + "\n")
    subprocess.run([dump, scratch / "jobs", scratch / "out"], check=True)
    return (scratch / "out").read_bytes()


# --- what policies draw ---
OURS = {"AutoContrast": "autocontrast", "SolarizeAdd": "solarize_add", "ShearX": "shear_x", "ShearY": "shear_y",
        "TranslateX": "translate_x", "TranslateY": "translate_y", "TranslateXRel": "translate_x",
        "TranslateYRel": "translate_y"}
SIDE, SAMPLES = 224, 20000


def ours(name):
    return OURS.get(name, name.lower())


def torchvision_values(name, magnitude, is_signed):
    """The values of our operation for one of torchvision's magnitudes."""
    values = [magnitude, -magnitude] if is_signed else [magnitude]
    if name in ("Brightness", "Color", "Contrast", "Sharpness"):
        return {1 + value for value in values}
    # torch.linspace depends on the width of vectors in its last bit: 16 may be 15.999999.
    return {float(int(round(value, 4))) if name.startswith("Translate") else float(value) for value in values}


def torchvision_space(policy, bins, chosen):
    """our operation -> the values it may have"""
    space = policy._augmentation_space(bins, (SIDE, SIDE)) if bins != "trivial" else policy._augmentation_space(31)
    out = {}
    for name, (magnitudes, is_signed) in space.items():
        every = magnitudes.tolist() if magnitudes.ndim > 0 else [0.0]
        if magnitudes.ndim > 0 and chosen is not None:
            every = [every[chosen]]
        out[ours(name)] = set().union(*(torchvision_values(name, value, is_signed) for value in every))
    return out


def timm_space(magnitude):
    out = {}
    hparams = {"translate_pct": 0.45, "translate_const": 250}
    for name in timm_ops._RAND_TRANSFORMS:
        level_to_arg = timm_ops.LEVEL_TO_ARG[name]
        out[ours(name)] = {0.0}
        if level_to_arg:
            out[ours(name)] = {float(level_to_arg(magnitude, hparams)[0]) for _ in range(64)}
            if name.startswith("Translate"):
                out[ours(name)] = {value * SIDE for value in out[ours(name)]}
    return out


def big_vision_space(level, mended):
    def either(value):
        return {value, -value}
    threshold = int(level * 256)
    return {"tf_autocontrast": {0.0}, "equalize": {0.0}, "invert": {0.0}, "tf_rotate": either(30 * level),
            "posterize": {float(int(4 * level))}, "solarize": {float(threshold if mended else threshold % 256)},
            "tf_color": {1.8 * level + 0.1}, "tf_contrast" if mended else "tf_contrast_of_count": {1.8 * level + 0.1},
            "brightness": {1.8 * level + 0.1}, "tf_sharpness": {1.8 * level + 0.1}, "tf_shear_x": either(0.3 * level),
            "tf_shear_y": either(0.3 * level), "tf_translate_x": either(100 * level),
            "tf_translate_y": either(100 * level), "cutout": {40 * level},
            "solarize_add": {float(int(110 * level))}}


def draws_of(dump, scratch, view, n=0, m=-1, mended=0):
    text = run_dump(dump, scratch, [f"draw {view} {SIDE} {SAMPLES} {n} {m} {mended}"]).decode()
    return [[call.split() for call in line.split(";") if call] for line in text.splitlines()]


def check_space(title, draws, space, calls_a_sample, fill, samplings):
    """All calls are allowed ones, all allowed ones come, each as often as the others."""
    calls = [call for sample in draws for call in sample]
    seen = {}
    for name, value, call_fill, sampling in calls:
        seen.setdefault(name, []).append(float(value))
        if int(call_fill) != fill or sampling not in samplings:
            print(f"  {title}: {name} with fill {call_fill}, {sampling}")
            return False
    good = abs(len(calls) - calls_a_sample * SAMPLES) <= 5 * math.sqrt(SAMPLES)
    share = len(calls) / len(space)
    for name, values in space.items():
        got = np.array(seen.pop(name, []))
        missing = [value for value in values if not np.isclose(got, value, rtol=1e-6, atol=0).any()]
        foreign = [value for value in set(got.tolist()) if not np.isclose(list(values), value, rtol=1e-6, atol=0).any()]
        rare = abs(len(got) - share) > 5 * math.sqrt(share)
        lopsided = len(values) == 2 and abs((got > np.mean(list(values))).mean() - 0.5) > 5 * 0.5 / math.sqrt(len(got))
        if missing or foreign or rare or lopsided:
            print(f"  {title}: {name}: missing {missing}, foreign {foreign}, {len(got)} times of {share:.0f}")
            good = False
    if seen:
        print(f"  {title}: unknown {sorted(seen)}")
    print(f"  {title}: {len(calls)} calls of {len(space)} operations: {'as the peer' if good and not seen else 'DIFFER'}")
    return good and not seen


def check_auto(draws):
    """Which pairs of calls come how often, against torchvision's list of sub-policies."""
    policy = tv_policies.AutoAugment()
    space = policy._augmentation_space(10, (SIDE, SIDE))
    wanted = {}
    for pair in policy.policies:
        outcomes = {(): 1.0 / len(policy.policies)}
        for name, probability, bin_ in pair:
            magnitudes, is_signed = space[name]
            values = torchvision_values(name, magnitudes[bin_].item() if bin_ is not None else 0.0, is_signed)
            if is_signed and len(values) == 1:
                values = list(values)
            after = {}
            for calls, share in outcomes.items():
                after[calls] = after.get(calls, 0) + share * (1 - probability)
                for value in values:
                    key = calls + ((ours(name), round(value, 6)),)
                    after[key] = after.get(key, 0) + share * probability / len(values)
            outcomes = after
        for calls, share in outcomes.items():
            wanted[calls] = wanted.get(calls, 0) + share
    got = {}
    for sample in draws:
        key = tuple((name, round(float(value), 6)) for name, value, _, _ in sample)
        got[key] = got.get(key, 0) + 1
    good = True
    for key in set(wanted) | set(got):
        expected = wanted.get(key, 0) * SAMPLES
        if abs(got.get(key, 0) - expected) > 5 * math.sqrt(expected + 1) or (expected == 0 and got.get(key, 0)):
            print(f"  auto: {key}: {got.get(key, 0)} times of {expected:.0f}")
            good = False
    print(f"  auto: {len(got)} different results: {'as the peer' if good else 'DIFFER'}")
    return good


def check_policies(dump, scratch):
    nearest = {"nearest"}
    good = [check_auto(draws_of(dump, scratch, "auto"))]
    for magnitude in (9, 0, 21, 30):
        space = torchvision_space(tv_policies.RandAugment(), 31, magnitude)
        good.append(check_space(f"rand_torchvision {magnitude}", draws_of(dump, scratch, "rand_torchvision", 2, magnitude),
                                space, 2, 0, nearest))
    good.append(check_space("trivial", draws_of(dump, scratch, "trivial"),
                            torchvision_space(tv_policies.TrivialAugmentWide(), "trivial", None), 1, 0, nearest))
    for magnitude in (9, 3, 10):
        good.append(check_space(f"rand_timm {magnitude}", draws_of(dump, scratch, "rand_timm", 3, magnitude),
                                timm_space(magnitude), 1.5, 128, {"bilinear", "bicubic"}))
    for magnitude, mended in ((10, 0), (10, 1), (5, 0)):
        good.append(check_space(f"rand {magnitude}{' mended' if mended else ''}",
                                draws_of(dump, scratch, "rand", 2, magnitude, mended),
                                big_vision_space(magnitude / 10, mended), 2, 128, nearest))
    print(f"{len(good)} policies, {good.count(False)} differ")
    return all(good)


def print_vectors():
    """A small picture, and what each operation makes of it."""
    y, x = np.mgrid[0:7, 0:9]
    image = np.stack([x * 29 + y * 3, 250 - y * 31 - x, x * x * 3 + y * 7 + 5], 2).astype(np.uint8)
    print(f"# A picture of 9 x 7 pixels, and what each operation makes of it by Pillow {PIL.__version__} (tf_*: by the "
          "formulas), planes in hexadecimal:")
    print("# augment_parity.py vectors; name, value, fill, sampling, place of the centre in x and y, result")
    print(f"picture {image.shape[1]} {image.shape[0]} {planes(image).tobytes().hex()}")
    seen = {}
    for operation, value, fill, sampling, at, peer in cases():
        if value in (0.0, 1.0) and operation not in ("identity", "flip", "grey", "autocontrast", "equalize", "invert",
                                                     "tf_autocontrast"):
            continue
        key = (operation, sampling)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= 3:
            out = planes(peer(image.copy(), value)).tobytes().hex()
            print(f"{operation} {value!r} {fill} {sampling} {at[0]} {at[1]} {out}")


def main():
    if sys.argv[1] == "vectors":
        print_vectors()
        return 0
    dump, scratch = sys.argv[1], pathlib.Path(sys.argv[2])
    return not all([check_operations(dump, scratch), check_policies(dump, scratch)])


# torchvision moves what ours names by where it looks: the other sign.
_apply = tv_policies._apply_op
tv_policies._apply_op = lambda image, name, value, *rest: (
    _apply(image, name[:-1], -value, *rest) if name.endswith("*") else _apply(image, name, value, *rest))

if __name__ == "__main__":
    sys.exit(main())
