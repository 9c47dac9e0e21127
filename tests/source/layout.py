#!/usr/bin/env python3
"""The rules of the layout, read from the sources: layout.py RULE FOLDER prints one line for each breach.

  order     a module includes only modules before it; light modules reach no tensor, MPI or HDF5
  includes  an include says where it stands: no bare name, no ../, private headers of the own module only
  siblings  rows of a table do not know each other
  stems     a stem stands once in the project, header, source and test aside
  types     a type of a namespace that files share is defined once: templates over two of one name would be mixed up
  sources   a header that declares functions has a source of the same stem
  limits    no function over 80 lines, no file over 400; kernels and text literals aside
"""
import os
import re
import sys

# From the lowest to the highest. `study` stands apart: on base, config and run alone.
ORDER = ("base config run study data text device comm ops model loss strategy optim checkpoint eval train bench "
         "commands").split()
LIGHT = ("base", "config", "run", "study")
WITHOUT_TENSORS = LIGHT + ("data", "text")
# Folders of rows. What rows share stands outside, or in a file named here: the table and its types.
TABLES = {
    "model/towers": ("tower", "tower_table"),
    "data/sources": ("source", "source_table"),
    "data/targets": ("target", "target_table"),
    "data/views": ("view", "view_table"),
    "data/augment/operations": (),
    "data/augment/steps": (),
    "loss/terms": ("term",),
    "optim/optimizers": (),
    "eval/tasks": ("task", "task_rows", "task_table"),
    "checkpoint/formats": ("format",),
    "commands": ("read_arguments",),
    "commands/benchmarks": ("benchmark", "step_report"),
    "postprocess/fit/laws": ("law", "law_table"),
}
MOST_LINES, MOST_FUNCTION_LINES = 400, 80
EXTENSIONS = (".cpp", ".hpp", ".cu", ".cuh")


def sources(root, *folders):
    for folder in folders:
        for here, _, names in os.walk(os.path.join(root, folder)):
            for name in sorted(names):
                if name.endswith(EXTENSIONS):
                    yield os.path.relpath(os.path.join(here, name), root)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read().split("\n")


def includes(root, path):
    for number, line in enumerate(read(root, path), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line)
        if found:
            yield number, found[1], found[2]


def module_path(path):
    """src/ops/linear.cpp and include/clip_hpc/ops/linear.hpp -> ops/linear"""
    return os.path.splitext(re.sub(r"^(include/clip_hpc|src)/", "", path))[0]


def order(root):
    for path in sources(root, "src", "include/clip_hpc", "postprocess"):
        module = module_path(path).split("/")[0]
        is_report = path.startswith("postprocess/")
        if module not in ORDER and not is_report:
            continue
        if is_report or module == "study":
            allowed = {"base", "config", "run", "study"}
        else:
            allowed = set(ORDER[: ORDER.index(module) + 1]) - {"study"}
        for number, _, target in includes(root, path):
            found = re.match(r"(?:clip_hpc/)?(\w+)/", target)
            if found and found[1] in ORDER and found[1] not in allowed:
                yield f"{path}:{number}: {'postprocess' if is_report else module} -> {found[1]}"
            heavy = re.match(r"(ATen|torch|c10|mpi|cuda|nccl)", target)
            if (heavy and (is_report or module in WITHOUT_TENSORS)) or (
                    re.match(r"(hdf5|H5)", target) and (is_report or module in LIGHT)):
                yield f"{path}:{number}: {'postprocess' if is_report else module} is light, {target} is not"


def include_forms(root):
    for path in sources(root, "src", "include/clip_hpc", "postprocess", "tests"):
        module = module_path(path).split("/")[0]
        for number, quote, target in includes(root, path):
            if quote != '"':
                if target.startswith("clip_hpc/"):
                    yield f"{path}:{number}: <{target}> is ours: write it in quotes"
                continue
            if "../" in target or "/" not in target:
                yield f"{path}:{number}: \"{target}\" does not say where it stands"
            first = target.split("/")[0]
            if first in ORDER and (first != module or path.startswith(("include/", "postprocess/"))) \
                    and not path.startswith("tests/"):
                yield f"{path}:{number}: \"{target}\" is private to {first}"


def siblings(root):
    for path in sources(root, "src", "include/clip_hpc", "postprocess"):
        here = module_path(path)
        for folder, shared in TABLES.items():
            if os.path.dirname(here) != folder or os.path.basename(here) in shared:
                continue
            stem = os.path.basename(here)
            for number, _, target in includes(root, path):
                there = os.path.splitext(re.sub(r"^clip_hpc/", "", target))[0]
                name = os.path.basename(there)
                if os.path.dirname(there) == folder and name not in shared and name.split("_")[0] != stem.split("_")[0]:
                    yield f"{path}:{number}: {stem} knows its sibling {name}"


def stems(root):
    where = {}
    for path in sources(root, "src", "include/clip_hpc", "postprocess"):
        place = module_path(path)
        where.setdefault(os.path.basename(place), set()).add(place)
    for stem, places in sorted(where.items()):
        if len(places) > 1:
            yield f"{stem}: {', '.join(sorted(places))}"


def types(root):
    """Where a namespace without a name, or a function, is around it, a type belongs to its file alone."""
    word = re.compile(r"\bnamespace\s*([\w:]*)\s*\{|[{}]|\b(?:struct|class|enum(?: class)?)\s+(\w+)\b(?!::)[^;{}()=]*\{")
    where = {}
    for path in sources(root, "src", "include/clip_hpc", "postprocess", "tests"):
        text = "\n".join(line or "" for line in without_texts(read(root, path)))
        text = re.sub(r"//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])'", "", text)
        around = []
        for found in word.finditer(text):
            if found[0] == "}":
                del around[-1:]
                continue
            if found[2] and all(around):
                where.setdefault("::".join(around + [found[2]]), set()).add(path)
            around.append(found[1] if found[0].startswith("namespace") else "")
    for name, places in sorted(where.items()):
        if len(places) > 1:
            yield f"{name}: {', '.join(sorted(places))}"


def headers_without_source(root):
    declares = re.compile(r"^([A-Za-z_][A-Za-z0-9_:<>,*& ]*[ *&])[a-z_][a-z0-9_]*\([^{}]*\)( const)?( noexcept)?;")
    everything = {path: read(root, path) for path in sources(root, "src")}
    for path in sources(root, "include/clip_hpc"):
        place = module_path(path)
        if any(f"src/{place}{end}" in everything for end in (".cpp", ".cu", "_table.cpp")) or place in ("base/version", "commands"):
            continue
        if not any(declares.match(line) for line in read(root, path)):
            continue
        own = f'#include "clip_hpc/{place}.hpp"'
        module = place.split("/")[0]
        # A header may be served by several sources (platform variants): then each includes it first.
        if not any(next((l for l in lines if l.startswith("#include")), "") == own
                   for source, lines in everything.items() if source.startswith(f"src/{module}/")):
            yield path


def without_texts(lines):
    """The same lines, None for those that are the inside of a raw text literal."""
    inside = False
    for line in lines:
        if inside:
            inside = not re.search(r'\)\w*"', line)
            yield None
        else:
            inside = bool(re.search(r'R"\w*\(', line)) and not re.search(r'R"\w*\(.*\)\w*"', line)
            yield line


def functions(text):
    """(first line, head, length) of every function body in clang-format's layout, text literals not counted."""
    lines = list(without_texts(text))
    for number, line in enumerate(lines):
        if line is None or not line.endswith("{") or ")" not in line or re.match(
                r"\s*(\}|if|for|while|switch|else|do|catch|namespace|struct|class|enum|union|return|case)\b", line):
            continue
        first = number  # of the declaration: parameters and initialisers may fill many lines
        while first > 0 and lines[first - 1] and not re.search(r"([;{}:]|^\s*(//|#|template).*)$", lines[first - 1]):
            first -= 1
        indent = min(len(one) - len(one.lstrip()) for one in lines[first : number + 1])
        end = number + 1
        while end < len(lines) and (lines[end] is None or not re.match(r"\s{0,%d}\}" % indent, lines[end])):
            end += 1
        yield first + 1, lines[first].strip(), sum(1 for one in lines[first : end + 1] if one is not None)


def limits(root):
    for path in sources(root, "src", "include/clip_hpc", "postprocess"):
        lines = read(root, path)
        count = len(lines) - 1
        if path.endswith(".cu"):
            continue
        if count > MOST_LINES:
            yield f"{path}: {count} lines, more than {MOST_LINES}"
        for number, head, length in functions(lines):
            if length > MOST_FUNCTION_LINES:
                yield f"{path}:{number}: {length} lines, more than {MOST_FUNCTION_LINES}: {head}"


RULES = {"order": order, "includes": include_forms, "siblings": siblings, "stems": stems, "types": types,
         "sources": headers_without_source, "limits": limits}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in RULES:
        sys.exit(__doc__)
    breaches = list(RULES[sys.argv[1]](sys.argv[2]))
    print("\n".join(breaches))
    sys.exit(1 if breaches else 0)
