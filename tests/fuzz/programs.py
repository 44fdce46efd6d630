"""Runs the example programs on files that were changed at random: a model, an adapter, a tokenizer, a circuit, GGUF files, a
file of models, a folder of results. A program must end with 0 or 2; with 2, after one sentence in our own words; with 0,
having understood what the unchanged file says: a key that is misspelt is refused or has no effect.

usage: programs.py PROGRAMS WORK SOURCES COUNT [SEED]
A file at which something is wrong is kept in WORK/found with the command that fails. Exit code 1 if there is one.
"""

import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

programs, work, sources = (pathlib.Path(p).resolve() for p in sys.argv[1:4])
count = int(sys.argv[4])
seed = sys.argv[5] if len(sys.argv) > 5 else "1"
pair = sources / "examples" / "pair"
gguf = sources / "tests" / "golden" / "data" / "gguf"

FOREIGN = re.compile(r"std::|json\.exception|filesystem error|bad_alloc|vector::|basic_string|stoi|bad optional|what\(\)"
                     r"|terminate|Assertion|Sanitizer|fault of the program")
CONTROLS = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")
WORDS = ["", "\u001b[2J\u0007", "two\nlines", "x" * 100_000, "../../../x", "<script>alert(1)</script>", "\u0000", "\ud83d\ude00", "nan"]
NUMBERS = [0, -1, 1, 2**31, 2**53, 2**63, 2**64, 10**30, 0.5, -0.0, 1e308, 1e-320]


def places(value, path=()):
    """The paths of all values in a JSON document, the outermost excluded."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield path + (key,)
        yield from places(inner, path + (key,))


def misspelt(r, key):
    at = r.randrange(len(key) + 1)
    return r.choice([key[:at] + r.choice("aeiou_X") + key[at:], key[:at] + key[at + 1:], key.upper(), key + " ", "_" + key])


def changed_json(r, document):
    """The text of a document with one change, and whether that change may not change what a program does."""
    document = json.loads(json.dumps(document))
    path = r.choice(list(places(document)) or [()])
    if not path:
        return "[]", False
    inside = document
    for key in path[:-1]:
        inside = inside[key]
    key = path[-1]
    what = r.randrange(8)
    if what < 3 and isinstance(inside, dict):
        name = misspelt(r, key)
        if name not in inside:
            renamed = {name if k == key else k: v for k, v in inside.items()}
            inside.clear()
            inside.update(renamed)
        chosen = path[-2:-1] == ("vocab",) or (isinstance(inside.get(name), dict) and "role" in inside[name])  # by a user
        return json.dumps(document), not chosen
    if what == 3 and isinstance(inside, dict):
        inside[misspelt(r, key)] = r.choice(NUMBERS + WORDS + [True, [], {}])
        return json.dumps(document), False  # more keys: a description may say so, by a key that is known
    if what == 4:
        if isinstance(inside, dict):
            text = json.dumps(document)
            return text.replace(json.dumps(key) + ":", json.dumps(key) + ": 1, " + json.dumps(key) + ":", 1), False
        inside.insert(key, inside[key])
        return json.dumps(document), False
    if what == 5:
        del inside[key]
        return json.dumps(document), False
    inside[key] = r.choice(NUMBERS + WORDS + [None, True, [], {}, [[]], {"a": 1}])
    text = json.dumps(document)
    if r.random() < 0.1:
        text = text.replace(json.dumps(inside[key]), r.choice(["1e400", "-1e400", "NaN", "Infinity", "1" * 400]), 1)
    return text, False


def changed_bytes(r, data, reach=None):
    """Bytes with a few changes among the first `reach`."""
    data = bytearray(data)
    reach = min(reach or len(data), len(data))
    for _ in range(r.choice([1, 1, 1, 3, 10])):
        at = r.randrange(max(1, min(reach, len(data))))
        what = r.randrange(6)
        if what == 0:
            data[at:at + 1] = bytes([data[at] ^ (1 << r.randrange(8))]) if data else b"x"
        elif what == 1:
            data[at:at + 1] = bytes([r.choice([0, 1, 0x1b, 0x22, 0x7f, 0xff])])
        elif what == 2:
            data[at:at + 8] = struct.pack("<Q", r.choice([0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]))
        elif what == 3:
            del data[at:]
        elif what == 4:
            del data[at:at + r.choice([1, 4, 100])]
        else:
            data[at:at] = bytes(r.randrange(256) for _ in range(r.choice([1, 8, 100])))
    return bytes(data)


def changed_file(r, file):
    """The bytes of a file with changes, and whether these may not change what a program does."""
    data = file.read_bytes()
    if file.suffix == ".json":
        if r.random() < 0.7:
            text, same = changed_json(r, json.loads(data))
            return text.encode(), same
        changed = changed_bytes(r, data)
        try:
            return changed, json.loads(changed) == json.loads(data)
        except (ValueError, RecursionError):
            return changed, False
    if file.suffix == ".safetensors":
        length = struct.unpack("<Q", data[:8])[0]
        if r.random() < 0.6:
            header, same = changed_json(r, json.loads(data[8:8 + length]))
            header = header.encode()
            return struct.pack("<Q", len(header)) + header + data[8 + length:], same
        return changed_bytes(r, data, 8 + length), False
    return changed_bytes(r, data, 4000 if r.random() < 0.9 else None), False


def linked(folder, of, instead):
    """A copy of the folder `of` by links, with the file `instead[0]` having the bytes `instead[1]`."""
    for file in sorted(p for p in of.rglob("*") if p.is_file()):
        name = file.relative_to(of)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name == instead[0]:
            (folder / name).write_bytes(instead[1])
        else:
            (folder / name).symlink_to(file)


def numbers_of(file):
    """What a program has written by --json, without what differs from run to run."""
    def still(value):
        if isinstance(value, dict):
            return {k: still(v) for k, v in value.items()
                    if "seconds" not in k and k != "was_there" and str(work) not in str(v)}
        return [still(v) for v in value] if isinstance(value, list) else value
    return still(json.loads(file.read_text())) if file.exists() else None


class Case:
    """One kind of file, and the program that reads it."""

    def __init__(self, name, original, command, prepare=None, after=None):
        self.name, self.original, self.command, self.prepare, self.after = name, original, command, prepare, after


def in_pair(name, *arguments):
    file = pathlib.Path(name)
    return Case(name, pair / file,
                lambda here: [programs / "cross_model_swap", "--pair", here / "pair", "--examples", "7", "--draws", "1", "--threads",
                              "1", "--json", here / "numbers.json", *arguments],
                lambda here, data: linked(here / "pair", pair, (file, data)))


def single(name, original, *command):
    def prepare(here, data):
        (here / original.name).write_bytes(data)
    return Case(name, original,
                lambda here: [c if c != "FILE" else here / original.name for c in command] + ["--json", here / "numbers.json"],
                prepare)


RUN = ["--examples", "7", "--random-circuits", "1", "--repetitions", "1", "--only", "table_a6", "--models"]


def in_results(name):
    """A folder of results is repaired by the run, or the run is refused: its results are never others."""
    file = pathlib.Path(name)

    def prepare(here, data):
        shutil.copytree(work / "results", here / "results")
        (here / "results" / file).write_bytes(data)

    def after(here):
        for kept in ("results", "circuits"):
            for original in (work / "results" / kept).iterdir():
                if (here / "results" / kept / original.name).read_bytes() != original.read_bytes():
                    return f"{kept}/{original.name} has other bytes"
        report = (here / "results" / "report.html").read_text()
        return "the report has a script" if "<script" in report else None

    return Case(name, work / "results" / file,
                lambda here: [programs / "paper" / "paper", *RUN, work / "models.json", "--out", here / "results",
                              "--json", here / "numbers.json"], prepare, after)


def all_cases():
    models = pathlib.Path(work / "models.json")
    cases = [in_pair(f"{part}/{file}") for part in ("base", "tuned") for file in
             ("config.json", "model.safetensors", "tokenizer.json")]
    cases += [in_pair(f"adapter/{file}", "--from", "adapter") for file in ("adapter_config.json", "adapter_model.safetensors")]
    cases += [in_pair("circuit.json"),
              single("circuit", pair / "circuit.json", programs / "compare_circuits", pair / "circuit.json", "FILE"),
              single("models", models, programs / "paper" / "paper", "--plan-only", "--gflops", "1", "--examples", "7", "--only",
                     "figure_a1", "--models", "FILE")]
    cases += [single(file.name, file, programs / "describe", "FILE", "--load") for file in sorted(gguf.glob("*.gguf"))
              if file.stem in ("llama", "gpt2", "gemma2", "qwen3", "tokenizer_llama2")]
    cases += [in_results(name) for name in ("results/table_a6.json", "circuits/base.json", "manifest.json")]
    return cases


def run(command, here):
    try:
        done = subprocess.run([str(c) for c in command], cwd=here, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired:
        return None, b"", b""


def wrong(case, here, same):
    """What is wrong with a run, or None; and its exit code."""
    code, out, err = run(case.command(here), here)
    if code not in (0, 2):
        return f"exit code {code}: {err[:300]!r}", code
    for stream in (out, err):
        if CONTROLS.search(stream):
            return "a control character is printed", code
        if FOREIGN.search(stream.decode(errors="replace")):
            return f"a library's words: {stream[:300]!r}", code
    if code == 2:
        if err.count(b"\n") != 1 or len(err) > 4200:
            return f"not one sentence: {err[:300]!r}", code
        if (here / "numbers.json").exists():
            return "numbers beside a refusal", code
        return None, code
    if case.after and (found := case.after(here)):
        return found, code
    if same and numbers_of(here / "numbers.json") != case.numbers:
        return "another meaning, and no word of it", code
    return None, code


def attempt(i):
    r = random.Random(f"{seed}/{i}")
    case = r.choice(cases)
    data, same = changed_file(r, case.original)
    here = work / f"{i}"
    here.mkdir()
    case.prepare(here, data)
    found, code = wrong(case, here, same)
    if found:
        kept = work / "found" / f"{seed}_{i}"
        kept.mkdir(parents=True)
        (kept / case.original.name).write_bytes(data)
        (kept / "command").write_text(" ".join(str(c) for c in case.command(here)) + "\n" + found + "\n")
        found = f"{seed}/{i} {case.name}: {found}"
    shutil.rmtree(here)
    return found, code


shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
heads = [4, 3, 2, 2]
(work / "models.json").write_text(json.dumps({"boxes": 7, "models": [
    {"name": "base", "folder": str(pair / "base"), "paper": "Llama-7B", "heads": heads},
    {"name": "adapter", "folder": str(pair / "base"), "adapter": str(pair / "adapter"), "paper": "Goat-7B", "heads": heads}]}))
code, out, err = run([programs / "paper" / "paper", *RUN, work / "models.json", "--out", work / "results"], work)
assert code == 0, err
cases = all_cases()
for case in cases:  # what the unchanged file says
    here = work / "unchanged"
    here.mkdir()
    case.prepare(here, case.original.read_bytes())
    found, code = wrong(case, here, False)
    case.numbers = numbers_of(here / "numbers.json")
    refused = case.name.startswith("tokenizer_")  # GGUF files of a tokenizer alone
    assert found is None and (code == 0) != refused, (case.name, code, found)
    shutil.rmtree(here)

with ThreadPoolExecutor(int(os.environ.get("ENGRAFT_JOBS", "1"))) as pool:
    results = list(pool.map(attempt, range(count)))
faults = [found for found, _ in results if found]
for found in faults:
    print(found)
codes = [code for _, code in results]
print(f"{count} files: {codes.count(2)} refused in one sentence, {codes.count(0)} read; {len(faults)} faults")
sys.exit(bool(faults))
