#!/usr/bin/env python3
"""The part of golden_record.sh that reads and writes files: input data, and what is in a run, a page, a table.

  facts.py inputs FOLDER         WebDataset tars, a CLIP_benchmark folder, NumPy arrays, single images
  facts.py keys FILE             facts of all configuration keys, of docs/config.md as the program prints it
  facts.py run NAME FOLDER       facts of a run folder: weights, state, losses, results, manifest
  facts.py results NAME FOLDER   facts of a folder that clip_hpc eval wrote
  facts.py page NAME FILE        facts of an HTML page: all of it, its figures, the numbers a reader sees
  facts.py table NAME FOLDER     facts of table.csv and table.json of a study, without what was timed
  facts.py bench NAME FILE       facts of the lines of clip_hpc bench --json: their keys

A fact is a line NAME<TAB>VALUE on standard output; GOLDEN_FACTS is the folder that keeps the text behind a hash.
"""
import base64
import csv
import hashlib
import io
import json
import os
import pathlib
import random
import re
import struct
import sys
import tarfile
import zlib

WORDS = "red green blue grey small large bright dark letter circle line corner".split()
COLOURS = {"red": (220, 30, 40), "green": (30, 200, 60), "blue": (40, 60, 210), "dark grey": (70, 70, 70)}
WEBP = base64.b64decode("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")  # one pixel


# --- facts -----------------------------------------------------------------------------------------------------------
def slices_of(manifest):
    """[begin, count, xxh64] of each rank by buffer, as both schemas of a manifest say it."""
    if "buffers" in manifest:
        return {name: [[s["begin"], s["count"], s["xxh64"]] for s in one["slices"]]
                for name, one in manifest["buffers"].items()}
    return {name: [[s["begin"], s["count"], s["xxh64"][name]] for s in manifest["slices"]]
            for name in manifest["slices"][0]["xxh64"]}


def fact(name, text):
    """Of bytes the hash; text is kept, and recorded as it is where it is one short line."""
    if isinstance(text, bytes):
        print(f"{name}\t{hashlib.sha256(text).hexdigest()}")
        return
    text = text.replace(os.getcwd(), "WORK")
    (pathlib.Path(os.environ["GOLDEN_FACTS"]) / name.replace("/", "_")).write_text(text)
    line = text.strip()
    is_short = len(line) <= 64 and line.isprintable()
    print(f"{name}\t{line if is_short else hashlib.sha256(text.encode()).hexdigest()}")


def canonical(value):
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def sums(folder, pattern):
    files = sorted(file for file in folder.glob(pattern) if file.is_file())
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder)}\n" for file in files)


def fact_of_tensors(name, file):
    """One line per tensor, by name: the order in the file and its header do not count."""
    data = file.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    lines = []
    for tensor, about in sorted(header.items()):
        if tensor != "__metadata__":
            begin, end = (start + offset for offset in about["data_offsets"])
            lines.append(f"{hashlib.sha256(data[begin:end]).hexdigest()}  {tensor} {about['dtype']} {about['shape']}\n")
    fact(name, "".join(lines))


def results(name, folder):
    for file in sorted(folder.glob("*.json")):
        if file.name.startswith(("results", "suite_")):
            fact(f"{name}.{file.stem}", canonical(json.loads(file.read_text())))
    for inner in ("clip_benchmark", "per_class", "pictures"):
        if (folder / inner).is_dir():
            fact(f"{name}.{inner}", sums(folder, f"{inner}/*"))


def settings(text):
    """[(section.key, value)] of a configuration; a repeatable key is there once per value."""
    section, found = "", []
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif " =" in line:
            key, value = line.split(" =", 1)
            found.append((f"{section}.{key}", value.strip()))
    return found


def fact_of_manifest(name, manifest):
    """One fact per key: a key that is added later makes no difference to the others."""
    for key, value in manifest.pop("about").items():
        fact(f"manifest.{name}.about.{key}", value if isinstance(value, str) else canonical(value))
    for key, value in manifest.items():
        fact(f"manifest.{name}.{key}", canonical(value))


def run(name, folder):
    checkpoints = [path for path in sorted(folder.glob("checkpoints/step_*")) if path.suffix == ""]
    fact(f"{name}.checkpoints", " ".join(path.name for path in checkpoints))
    newest = checkpoints[-1]
    fact_of_tensors(f"{name}.weights", newest / "model.safetensors")
    if (newest / "ema.safetensors").exists():
        fact_of_tensors(f"{name}.ema", newest / "ema.safetensors")
    import h5py  # slow to load, and nothing else needs it

    with h5py.File(newest / "state.h5") as state:
        for buffer in sorted(state):
            fact(f"{name}.state.{buffer}", state[buffer][:].tobytes())
    fact(f"manifest.{name}.state_file", (newest / "state.h5").read_bytes())
    fact_of_manifest(name, json.loads((newest / "manifest.json").read_text()))
    if (folder / "metrics.jsonl").exists():
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        steps = [line for line in lines if "event" not in line]
        fact(f"manifest.{name}.metrics", " ".join(sorted(steps[-1])))
        fact(f"{name}.last_loss", repr(steps[-1]["loss"]))
        for column in "step samples_seen epoch loss grad_norm lr logit_scale skipped_steps bad_samples".split():
            fact(f"{name}.{column}", "".join(f"{step[column]!r}\n" for step in steps))
        fact(f"{name}.events", canonical([line for line in lines if "event" in line]))
    for start in json.loads((folder / "provenance.json").read_text())[-1:]:
        fact(f"manifest.{name}.provenance", " ".join(sorted(start)))
        fact(f"{name}.provenance", canonical([start["world_size"], start["command_line"]]))
    fact(f"{name}.tokenizer", (folder / "tokenizer.model").read_bytes())
    if (folder / "config.cfg").exists():
        defaults = json.loads(pathlib.Path("defaults.json").read_text())
        given = settings((folder / "config.cfg").read_text())
        fact(f"config.{name}", "".join(f"{key} = {value}\n" for key, value in given if defaults.get(key) != value))
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
    fact(f"{name}.files", "\n".join(files))
    results(name, folder)


def keys(file):
    """One fact per configuration key; and the defaults, so that config.* can be what differs from them."""
    section, defaults = "", {}
    for line in file.read_text().splitlines():
        if heading := re.match(r"#+ .*\[(\w+)\]", line):
            section = heading[1]
        elif row := re.match(r"\| `(\w+)` \| ([^|]*) \| ([^|]*)\| ([^|]*)\|", line):
            key = f"{section}.{row[1]}"
            defaults[key] = row[3].strip().strip("`")
            fact(f"key.{key}", " / ".join(part.strip() for part in row.groups()[1:]))
    pathlib.Path("defaults.json").write_text(json.dumps(defaults))


def page(name, file):
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?", "TIME", file.read_text().replace(os.getcwd(), "WORK"))
    fact(name, text)
    fact(f"{name}.figures", "\n".join(re.findall(r"<svg.*?</svg>|data:image/[^\"']*", text, re.DOTALL)))
    seen = re.sub(r"<(svg|style|script|head)\b.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL)
    fact(f"numbers.{name}", "\n".join(re.findall(r"\d+(?:[.,]\d+)*(?:e[-+]?\d+)?", seen)))


def table(name, folder):
    timed = {"measured_gpu_hours", "energy_j"}
    rows = list(csv.DictReader((folder / "table.csv").open()))
    fact(f"{name}.columns", " ".join(rows[0]))
    fact(name, canonical([{key: value for key, value in row.items() if key not in timed} for row in rows]))

    def without(value):
        if isinstance(value, dict):
            return {key: without(inner) for key, inner in value.items() if key not in timed}
        return [without(inner) for inner in value] if isinstance(value, list) else value

    fact(f"{name}.json", canonical(without(json.loads((folder / "table.json").read_text()))))


def bench(name, file):
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    fact(name, "".join(f"{' '.join(sorted(line))} {line.get('operation', line.get('what', ''))}\n" for line in lines))


# --- inputs ----------------------------------------------------------------------------------------------------------
def png(width, height, channels, colour):
    """A gradient with a bar, stored without compression: the same bytes with every zlib."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            pixel = [(c * (x + 8) // (width + 8) + 3 * y) % 256 for c in colour]
            if abs(x - y) < 3:
                pixel = [255 - c for c in colour]
            rows += bytes(pixel[:1] if channels == 1 else pixel if channels == 3 else pixel + [255 if x > 5 else 90])

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    parts = {b"IHDR": head, b"IDAT": zlib.compress(bytes(rows), 0), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts.items())


def write_tar(file, samples):
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w", format=tarfile.USTAR_FORMAT) as tar:
        for key, fields in samples:
            for extension, data in fields.items():
                entry = tarfile.TarInfo(f"{key}.{extension}")
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))


def write_npy(file, kind, count, data):
    head = f"{{'descr': {kind}, 'fortran_order': False, 'shape': ({count},), }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    file.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data)


def web_sample(draw, number):
    width, height = draw.randint(33, 60), draw.randint(33, 60)
    colour = tuple(draw.randrange(256) for _ in range(3))
    image = {"webp": WEBP} if number == 3 else {"png": png(width, height, (3, 3, 1, 4)[number % 4], colour)}
    fields = {**image, "cls": b"%d" % (number % 4)}
    caption = " ".join(draw.choices(WORDS, k=draw.randint(1, 12)))
    if number % 7 == 0:
        caption += "  &amp; caf\u00e9\n\u5b57"
    about = {"uid": f"{draw.getrandbits(128):032x}"}
    if number % 5 == 0:
        about["caption"] = caption
    else:
        fields["txt"] = caption.encode()
    fields["json"] = json.dumps(about).encode()
    return fields, about["uid"]


def inputs(folder):
    draw = random.Random("golden record")
    uids = []
    for shard in range(3):
        samples = []
        for number in range(40):
            fields, uid = web_sample(draw, number)
            uids.append(uid)
            samples.append((f"{shard:02d}{number:04d}", fields))
        samples.append((f"{shard:02d}9000", {"txt": b"no image"}))
        samples.append((f"{shard:02d}9001", {"png": b"not an image", "txt": b"broken"}))
        samples.append((f"{shard:02d}9002", {"png": png(20, 20, 3, (9, 9, 9))}))  # no caption
        write_tar(folder / f"web/{shard:05d}.tar", samples)
    numbers = [struct.pack("<QQ", int(uid[:16], 16), int(uid[16:], 16)) for uid in uids[::3]]
    write_npy(folder / "uids.npy", "[('f0', '<u8'), ('f1', '<u8')]", len(numbers), b"".join(numbers))
    write_npy(folder / "scores.npy", "'<f4'", 120, struct.pack("<120f", *(draw.random() for _ in range(120))))
    for kind in ("colours", "captions"):
        for split, shards, count in (("train", 2, 20), ("test", 2, 12)):
            for shard in range(shards):
                samples = []
                for number in range(count):
                    label = (number + shard) % len(COLOURS)
                    name = list(COLOURS)[label]
                    shade = tuple(min(255, c + draw.randrange(40)) for c in COLOURS[name])
                    fields = {"png": png(32, 28 + number, 3, shade)}
                    if kind == "colours":
                        fields["cls"] = b"%d" % label
                    else:
                        fields["txt"] = f"a {name} bar\nan image in {name}\n{' '.join(draw.choices(WORDS, k=4))}".encode()
                    samples.append((f"s{number:07d}", fields))
                write_tar(folder / f"{kind}/{split}/{shard}.tar", samples)
            (folder / f"{kind}/{split}/nshards.txt").write_text(f"{shards}\n")
        (folder / f"{kind}/dataset_type.txt").write_text("classification\n" if kind == "colours" else "retrieval\n")
    (folder / "colours/classnames.txt").write_text("\n".join(COLOURS) + "\n")
    (folder / "colours/zeroshot_classification_templates.txt").write_text("a {c} bar\nan image in {c}\n")
    (folder / "one.png").write_bytes(png(48, 33, 3, (200, 120, 40)))
    (folder / "two.png").write_bytes(png(20, 64, 4, (20, 120, 240)))


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    globals()[command](*words[:-1], pathlib.Path(words[-1]))
