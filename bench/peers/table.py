"""python table.py OUT: compares what the tools found, and prints the table only if they agree; writes OUT/results.json."""
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

TOLERANCE = 1e-4  # largest difference of a prompt's watched logits, as a share of the largest logit
OF_EFFECT = 1e-2  # the same, as a share of the largest change that the patches make: what was not patched is no agreement
TITLES = {"forward": "plain forward, {prompts} prompts of {length} tokens",
          "z": "z of each head at the last token, {heads} heads x {prompts} prompts",
          "paths": "path patching to the logits, {heads} heads x {prompts} prompts"}
TOOLS = ["engraft_peer", "expert", "hooks", "nnsight_peer", "pyvene_peer", "transformer_lens_peer"]


def flat(nested):
    return [x for part in nested for x in flat(part)] if isinstance(nested, list) else [nested]


def largest_difference(a, b):
    a, b = flat(a), flat(b)
    if len(a) != len(b) or not a:
        return math.inf
    # max() would pass over a nan
    return max((abs(x - y) if math.isfinite(x) and math.isfinite(y) else math.inf) for x, y in zip(a, b))


def compare(records):
    """Sets each record's difference from the logits of Hugging Face's forward pass or hooks; True where all agree."""
    right = True
    for item in TITLES:
        of_item = [r for r in records if r["item"] == item]
        reference, = (r for r in of_item if r["tool"] in ("Hugging Face", "PyTorch hooks"))
        expected = reference["logits"]
        largest = max(map(abs, flat(expected)))
        effect = largest_difference(expected, [reference["clean"]] * len(expected)) if "clean" in reference else math.inf
        whole = [r for r in of_item if r["heads"] > len(expected)]  # also compared where nobody else was
        for r in of_item:
            if r is reference:
                continue
            r["difference"] = largest_difference(r["logits"], expected)
            problems = []
            if not r["difference"] <= TOLERANCE * largest:
                problems.append(f"logits are {r['difference']:.1e} apart, the largest being {largest:.1f}")
            if not r["difference"] <= OF_EFFECT * effect:
                problems.append(f"logits are {r['difference']:.1e} apart, which the patches change by {effect:.1e} at most")
            if r in whole and not largest_difference(r["answers"], whole[0]["answers"]) <= TOLERANCE * largest:
                problems.append(f"log probabilities of all heads are not those of {whole[0]['tool']}")
            for problem in problems:
                right = False
                print(f"{item}: {r['tool']} and {reference['tool']}: {problem}", file=sys.stderr)
    return right


def machine(work):
    def first(path, key):
        lines = Path(path).read_text().splitlines() if Path(path).exists() else []
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "unknown")
    commit = subprocess.run(["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],
                            capture_output=True, text=True)
    memory = first("/proc/meminfo", "MemTotal").split()[0]
    return {"processor": first("/proc/cpuinfo", "model name"), "cores": os.cpu_count(), "threads": work["threads"],
            "memory_gb": round(int(memory) / 2**20, 1) if memory.isdigit() else None, "system": platform.platform(),
            "python": platform.python_version(), "commit": commit.stdout.strip() or "unknown"}


def print_table(work, records, about):
    print("| work | tool | usage | run | seconds | to engraft | difference |\n| --- | --- | --- | --- | --- | --- | --- |")
    for r in records:
        p, length, heads = r["prompts"], len(work["clean"][0]), work["layers"] * work["heads"]
        share = "whole" if r["share"] == 1 else f"{r['heads']} of {heads} heads"
        speed = f"; {p * length / r['scaled']:.0f} tokens/s" if r["item"] == "forward" else ""
        title = TITLES[r["item"]].format(prompts=p, length=length, heads=heads)
        difference = f"{r['difference']:.1e}" if "difference" in r else "compared with"
        print(f"| {title} | {r['tool']} | {r['usage']}{speed} | {share} | {r['scaled']:.3g} | {r['ratio']:.3g} | {difference} |")
    print(f"\n{about['processor']}, {about['cores']} cores, {about['threads']} threads, {about['memory_gb']} GB; "
          f"Python {about['python']}; commit {about['commit']}.")
    print("Versions: " + "; ".join(dict.fromkeys(r["version"] for r in records)) + ".")
    for r in records:
        if max(r["disturbed"]) > 0.05:
            print(f"Disturbed: {r['item']}, {r['tool']}: other programs took up to "
                  f"{100 * max(r['disturbed']):.0f} % of the processors.")
    if work["quick"]:
        print("This was --quick: too little work for the seconds to mean anything.")


def main():
    out = Path(sys.argv[1])
    work = json.loads((out / "work.json").read_text())
    missing = [t for t in TOOLS if not (out / f"{t}.json").exists()]
    if missing:
        sys.exit(f"no results of {', '.join(missing)}")
    records = [r for t in TOOLS for r in json.loads((out / f"{t}.json").read_text())]
    if not compare(records):
        sys.exit("the tools do not agree, so no times are reported")

    count = work["layers"] * work["heads"]
    for r in records:
        r["share"] = 1 if r["item"] == "forward" else r["heads"] / count
        r["scaled"] = statistics.median(r["seconds"]) / r["share"]
        r["disturbed"] = [o / s / os.cpu_count() for o, s in zip(r["others"], r["seconds"])]
    for r in records:
        ours, = (e["scaled"] for e in records if (e["tool"], e["item"]) == ("engraft", r["item"]))
        r["ratio"] = r["scaled"] / ours
    records.sort(key=lambda r: list(TITLES).index(r["item"]))
    about = machine(work)
    print_table(work, records, about)
    for r in records:
        for key in ("logits", "answers", "clean"):
            r.pop(key, None)
    (out / "results.json").write_text(json.dumps({"machine": about, "quick": work["quick"], "rows": records}, indent=1))


if __name__ == "__main__":
    main()
