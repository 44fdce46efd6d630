#!/usr/bin/env python3
"""What it costs to compile programs that include engraft: user seconds and peak memory, with g++ -O2 on one core.

Compiles README.md's program in three ways (with a described model, by README.md's g++ commands, header-only), eight
programs that a new user would write, tests/golden/interventions.cpp and one program for a GPU (if there is nvcc).
Several checkouts are measured in turns, so that "before" and "after" come from one run:

    bench/compile_time/measure.py [--times N] [--only NAME,NAME] CHECKOUT...

Each number is the least of N compilations, followed by the largest. Needs Python alone, besides what engraft needs.
"""

import argparse
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
GROUPS = {
    "README.md's program": ["value_fetchers", "README g++", "header-only"],
    "a new user's programs": ["five_top_tokens", "ioi_sweep", "two_sweeps_and_attribution", "gradient",
                              "steering_loop", "jsonl_reader", "wrong_lengths", "capture_to_npy"],
    "larger ones": ["interventions", "on_a_gpu"],
    "compiled once": ["once"],
}


def timed(command, folder):
    """User seconds and megabytes of a command and all that it starts."""
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{said}\nthis command failed: {shlex.join(command)}")
    return used.ru_utime, used.ru_maxrss / 1024


class checkout:
    """The commands of one checkout: name -> (command, folder)."""

    def __init__(self, source, work, only):
        self.source, self.work, self.commands = source, work, {}
        self.configure()
        self.readme()
        self.commands = {name: c for name, c in self.commands.items() if wanted(name, only)}

    def configure(self):
        build = self.work / "build"
        subprocess.run(["cmake", "-G", "Ninja", "-S", HERE, "-B", build, f"-DENGRAFT_SOURCE={self.source}",
                        "-DCMAKE_CXX_COMPILER=g++", "-DCMAKE_CXX_FLAGS=-O2", "-DCMAKE_CUDA_FLAGS=-O2"],
                       check=True, stdout=subprocess.DEVNULL)
        compiled = json.loads((build / "compile_commands.json").read_text())
        object_of = re.compile(r"CMakeFiles/(\w+)\.dir/")
        targets = set()
        for entry in compiled:
            source, target = pathlib.Path(entry["file"]), object_of.search(entry["command"]).group(1)
            known = any(target in names for names in GROUPS.values())
            if target == "engraft_describe_program":
                continue
            name = target if known else f"once: {source.name}"
            self.commands[name] = (shlex.split(entry["command"]), entry["directory"])
            targets.add(target)
        # Headers that are made while programs are built: the descriptions.
        subprocess.run(["ninja", "-C", build, "-j1"] + [f"cmake_object_order_depends_target_{t}" for t in targets],
                       check=True, stdout=subprocess.DEVNULL)

    def readme(self):
        folder = self.work / "readme"
        folder.mkdir()
        (folder / "include").symlink_to(self.source / "include")
        shutil.copy(self.source / "tests/install/consumer/main.cpp", folder)
        lines = re.findall(r"^g\+\+ .*$", (self.source / "README.md").read_text(), re.MULTILINE)
        *once, last = (shlex.split(line, comments=True) for line in lines)
        for command in once: # needed by the last one
            subprocess.run(command, cwd=folder, check=True)
            sources = [pathlib.Path(a).name for a in command if a.endswith(".cpp")]
            self.commands[f"once: README g++ {' '.join(sources)}"] = (command, folder)
        self.commands["README g++"] = (last, folder)
        self.commands["header-only"] = (
            "g++ -std=c++20 -O2 -pthread -Iinclude -c main.cpp -o header_only.o".split(), folder)


def wanted(name, only):
    return not only or any(name.startswith(o) for o in only)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", nargs="+", metavar="CHECKOUT", type=pathlib.Path)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--only", default="", help="names that these begin with, apart by commas")
    arguments = parser.parse_args()
    only = [o for o in arguments.only.split(",") if o]
    os.environ["LC_ALL"] = "C"

    with tempfile.TemporaryDirectory() as work:
        all_of = []
        for i, source in enumerate(arguments.checkouts):
            folder = pathlib.Path(work) / str(i)
            folder.mkdir()
            all_of.append(checkout(source.resolve(), folder, only))
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

        print("least and largest user seconds of", arguments.times, "compilations; peak MB")
        for i, c in enumerate(all_of):
            print(f"  [{i + 1}] {c.source}")
        for title, names in GROUPS.items():
            rows = [n for prefix in names for n in dict.fromkeys(n for c in all_of for n in c.commands)
                    if n == prefix or (prefix == "once" and n.startswith("once: "))]
            if rows:
                print(f"\n{title:<44}" + "".join(f"{f'[{i + 1}] seconds':>22}{'MB':>7}" for i in range(len(all_of))),
                      flush=True)
            for name in rows:
                found = [[] for _ in all_of]
                for _ in range(arguments.times):
                    for numbers, c in zip(found, all_of):
                        if name in c.commands:
                            numbers.append(timed(*c.commands[name]))
                line = f"{name:<44}"
                for numbers in found:
                    if numbers:
                        seconds = [s for s, _ in numbers]
                        line += f"{min(seconds):>12.2f} .. {max(seconds):<6.2f}{max(m for _, m in numbers):>7.0f}"
                    else:
                        line += f"{'-':>29}"
                print(line, flush=True)


if __name__ == "__main__":
    main()
