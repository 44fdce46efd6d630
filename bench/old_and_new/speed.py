#!/usr/bin/env python3
"""Is a checkout as fast as another one? Runs both checkouts' benchmarks in turns and prints old seconds / new seconds.

Builds forward, sweep, gradient and overhead of bench/ against each checkout (in WORK, which is kept), then runs old, new,
new, old, old, ... so that what else the machine does meets both. A line's ratio is that of the shortest times; beside it
stand the smallest and largest ratio of one round. A ratio above 1 says that the new one is faster.

    bench/old_and_new/speed.py [--rounds N] [--only NAME,NAME] [--prompts N] [--least RATIO] OLD NEW WORK

exit code 1: some ratio is below --least (0.98)
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SWEEPS = ["z", "paths_to_logits", "paths_to_q", "paths_to_v", "resid_pre"]


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}{done.stderr}\nthis command failed: {' '.join(map(str, command))}")
    return done.stdout


def seconds_in(pattern, text):
    found = re.search(pattern, text)
    if not found:
        sys.exit(f"no `{pattern}` in:\n{text}")
    return float(found.group(1))


def build(source, folder):
    run("cmake", "-G", "Ninja", "-S", HERE, "-B", folder, f"-DENGRAFT_SOURCE={source}", "-DCMAKE_CXX_COMPILER=g++")
    run("ninja", "-C", folder, "-j1", *(f"bench_{n}" for n in ("forward", "sweep", "gradient", "overhead")))


def google(folder, name):
    """The shortest time of each benchmark of a program."""
    out = folder / f"{name}.json"
    run(folder / f"bench_{name}", f"--benchmark_out={out}", "--benchmark_out_format=json",
        "--benchmark_repetitions=3", "--benchmark_enable_random_interleaving=true")
    shortest = {}
    for line in json.loads(out.read_text())["benchmarks"]:
        if line.get("error_occurred"):
            sys.exit(f"bench_{name}, {line['name']}: {line['error_message']}")
        if line["run_type"] == "iteration":
            key = f"{name}: {line['name'].split('/')[0]}"
            shortest[key] = min(shortest.get(key, 1e30), line["real_time"] / 1e3)
    return shortest


def measure(folder, name, prompts):
    """name -> seconds of the benchmarks of one kind."""
    if name == "forward":
        return {name: seconds_in(r"forward ([0-9.]+) s", run(folder / "bench_forward"))}
    if name in SWEEPS:
        return {f"sweep: {name}": seconds_in(r"TFLOP +([0-9.]+) s", run(folder / "bench_sweep", name, prompts))}
    return google(folder, name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=pathlib.Path)
    parser.add_argument("new", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompts", type=int, default=8, help="of each sweep")
    parser.add_argument("--only", default="", help=f"of forward, gradient, overhead, {', '.join(SWEEPS)}")
    parser.add_argument("--least", type=float, default=0.98)
    parser.add_argument("--build", action="store_true", help="build, and measure nothing")
    arguments = parser.parse_args()
    names = arguments.only.split(",") if arguments.only else ["forward", "gradient", "overhead", *SWEEPS]
    unknown = set(names) - {"forward", "gradient", "overhead", *SWEEPS}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    folders = [arguments.work.resolve() / "old", arguments.work.resolve() / "new"]
    for source, folder in zip((arguments.old, arguments.new), folders):
        folder.mkdir(parents=True, exist_ok=True)
        build(source.resolve(), folder)
    if arguments.build:
        return

    print(f"{'':<32}{'old seconds':>12}{'new seconds':>12}{'old / new':>11}   in single rounds   "
          f"({arguments.rounds} rounds; load {os.getloadavg()[0]:.1f})", flush=True)
    slower = False
    for name in names:
        rounds = [[], []] # of old, of new
        for i in range(arguments.rounds):
            for which in (0, 1) if i % 2 == 0 else (1, 0):
                rounds[which].append(measure(folders[which], name, arguments.prompts))
        for line in rounds[0][0]:
            old, new = ([r[line] for r in one] for one in rounds)
            ratio, each = min(old) / min(new), [a / b for a, b in zip(old, new)]
            slower = slower or ratio < arguments.least
            print(f"{line:<32}{min(old):>12.4f}{min(new):>12.4f}{ratio:>11.3f}   {min(each):.3f} .. {max(each):.3f}"
                  f"{'   slower' if ratio < arguments.least else ''}", flush=True)
    sys.exit(1 if slower else 0)


if __name__ == "__main__":
    main()
