"""python table.py OUT: compares what the tools found, and prints the table only if they agree; writes OUT/results.json."""
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

TOLERANCE = 1e-4  # largest difference of a prompt's watched logits, as a share of the largest of them
OF_EFFECT = 1e-2  # the same, as a share of the largest change that the patches make: what was not patched is no agreement
TITLES = {"forward": "plain forward, {prompts} prompts of 53 tokens", "z": "z of each head at the last token, 270 heads x {prompts} prompts",
          "paths": "path patching to the logits, 270 heads x {prompts} prompts"}
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
    """Sets each record's differences from the PyTorch hooks' logits; True where all agree."""
    right = True
    for item in TITLES:
        (reference, *_), others = [[r for r in records if r["item"] == item and (r["tool"] in ("PyTorch hooks", "Hugging Face")) == yes]
                                   for yes in (True, False)]
        effect = largest_difference(reference["logits"], [reference["clean"]] * len(reference["logits"])) if "clean" in reference else math.inf
        whole = [r for r in others if r["heads"] > len(reference["logits"])]
        for r in others:
            r["difference"] = largest_difference(r["logits"], reference["logits"])
            r["relative"] = max((largest_difference(x, y) / max(map(abs, y)) for a, b in zip(r["logits"], reference["logits"])
                                 for x, y in zip(a, b)), default=math.inf)
            r["effect"] = effect
            problems = []
            if not largest_difference(r["logits"], reference["logits"]) <= OF_EFFECT * effect:
                problems.append(f"{r['difference']:.1e} apart, where patches change logits by at most {effect:.1e}")
            if not r["relative"] <= TOLERANCE:
                problems.append(f"{r['relative']:.1e} of the largest logit apart")
            if r in whole and not largest_difference(r["answers"], whole[0]["answers"]) <= TOLERANCE * max(map(abs, flat(reference["logits"]))):
                problems.append(f"log probabilities of all heads differ from those of {whole[0]['tool']}")
            for problem in problems:
                right = False
                print(f"{item}: {r['tool']} and {reference['tool']}: {problem}", file=sys.stderr)
    return right


def machine(work):
    def first(path, key):
        lines = [l for l in Path(path).read_text().splitlines() if l.startswith(key)] if Path(path).exists() else []
        return lines[0].split(":", 1)[1].strip() if lines else "unknown"
    commit = subprocess.run(["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"], capture_output=True, text=True)
    memory = first("/proc/meminfo", "MemTotal").split()[0]
    return {"processor": first("/proc/cpuinfo", "model name"), "cores": os.cpu_count(), "threads": work["threads"],
            "memory_gb": round(int(memory) / 2**20, 1) if memory.isdigit() else None, "system": platform.platform(),
            "python": platform.python_version(), "commit": commit.stdout.strip() or "unknown"}


def print_table(work, records, about):
    print("| work | tool | usage | run | seconds | to engraft | difference |\n| --- | --- | --- | --- | --- | --- | --- |")
    for r in records:
        p = r["prompts"]
        share = "whole" if r["share"] == 1 else f"{r['heads']} of 270 heads"
        speed = f"; {p * 53 / r['scaled']:.0f} tokens/s" if r["item"] == "forward" else ""
        difference = f"{r['difference']:.1e}" if "difference" in r else "compared with"
        print(f"| {TITLES[r['item']].format(prompts=p)} | {r['tool']} | {r['usage']}{speed} | {share} | {r['scaled']:.3g} | "
              f"{r['ratio']:.3g} | {difference} |")
    print(f"\n{about['processor']}, {about['cores']} cores, {about['threads']} threads, {about['memory_gb']} GB; "
          f"Python {about['python']}; commit {about['commit']}.")
    print("Versions: " + "; ".join(dict.fromkeys(r["version"] for r in records)) + ".")
    for r in records:
        if max(r["disturbed"]) > 0.05:
            print(f"Disturbed: {r['item']}, {r['tool']}: other programs took up to {100 * max(r['disturbed']):.0f} % of the processors.")
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
        r["disturbed"] = [o / s / os.cpu_count() for o, s in zip(r.get("others", [0]), r["seconds"])]
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
