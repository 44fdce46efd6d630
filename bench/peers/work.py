"""The work that every tool here does, and how it is timed and recorded.

    python work.py MODEL OUT [--quick]

writes OUT/work.json: prompts as lists of tokens, the right answers, which heads the slow tools run. A tool's script is
`python TOOL.py MODEL OUT` and writes OUT/TOOL.json; table.py compares what they found and prints the table.
"""
import json
import os
import random
import string
import sys
import time
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("WANDB_MODE", "disabled")
import torch

NOUNS = """apple ball bell bag boot bone book bottle bomb brain brick bread bus cake camera card cash chemical clock cloth
coat coffee computer cream crown cup disk document dress drink drug engine fan file fish flower game gift glass guitar hat
ice iron knife letter machine magazine magnet map medicine milk mirror note paper phone picture pipe plane plant plate pot
radio ring rock rose shirt shoe stone string suit tea ticket tie tissue tool train watch wheel wine wire""".split()
LENGTH = 53  # tokens of each prompt
BATCH = 25  # prompts of one forward pass of path patching


def tokenizer_of(folder):
    from transformers import AutoTokenizer
    return AutoTokenizer.from_pretrained(folder)


def model_of(folder):
    from transformers import AutoModelForCausalLM
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()


def capture_z(model, tokens):
    """{layer: z} of a Hugging Face model. shape [prompts, positions, heads * d_head]"""
    z = {}
    handles = [layer.self_attn.o_proj.register_forward_pre_hook(lambda _, inputs, l=l: z.__setitem__(l, inputs[0]))
               for l, layer in enumerate(model.model.layers)]
    model(tokens, logits_to_keep=1, use_cache=False)
    for handle in handles:
        handle.remove()
    return z


def make_prompts(tokenizer, count):
    """Seven objects in seven boxes, and the beginning of a sentence about one of them; a clean and a source prompt each."""
    rng = random.Random(7)
    tokens = lambda text: tokenizer(text, add_special_tokens=False).input_ids
    nouns = [noun for noun in NOUNS if len(tokens(" " + noun)) == 1]

    def prompt():
        letters, things, asked = rng.sample(string.ascii_uppercase, 7), rng.sample(nouns, 7), rng.randrange(7)
        text = ", ".join(f"the {thing} is in Box {letter}" for thing, letter in zip(things, letters))
        return tokens(f"{text[0].upper()}{text[1:]}. Box {letters[asked]} contains the"), tokens(" " + things[asked])[0]

    clean, source, answers = [], [], []
    for _ in range(100 * count):
        (c, answer), (s, _) = prompt(), prompt()
        if len(c) == len(s) == LENGTH:
            clean.append(c), source.append(s), answers.append(answer)
        if len(clean) == count:
            return {"clean": clean, "source": source, "answers": answers}
    raise SystemExit(f"only {len(clean)} of {count} prompts have {LENGTH} tokens: is this SmolLM2's tokenizer?")


def spread(layers, heads, count):
    """`count` of all heads, evenly over the layers."""
    return [divmod(i * layers * heads // count, heads) for i in range(count)]


class Work:
    """Read from OUT/work.json by every tool."""

    def __init__(self):
        self.folder, self.out, self.tool = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[0]).stem
        plan = json.loads((self.out / "work.json").read_text())
        self.__dict__.update(plan)
        self.clean, self.source, self.answers = (torch.tensor(plan[k]) for k in ("clean", "source", "answers"))
        self.all_heads = [(l, h) for l in range(self.layers) for h in range(self.heads)]
        self.records = []
        torch.set_num_threads(self.threads)
        torch.set_grad_enabled(False)

    def head(self, h):
        """The columns of a head in the input of the output projection."""
        return slice(h * self.d_head, (h + 1) * self.d_head)

    def batches(self, item):
        """[(clean, source, answers)] of an item's prompts, as they go through the model together."""
        n = self.prompts[item]
        return [tuple(t[b:min(b + BATCH, n)] for t in (self.clean, self.source, self.answers)) for b in range(0, n, BATCH)]

    def probe(self, logits, answers):
        """What all tools must agree on, of the last position's logits: [prompts, answer's, 63 watched, answer's log softmax]."""
        answer = answers[:, None]
        return torch.cat([logits.gather(1, answer), logits[:, self.watched], logits.log_softmax(-1).gather(1, answer)], 1)

    def measure(self, item, tool, usage, run, heads=None, repeats=1, **more):
        """run(heads) -> [heads, prompts, 65], timed once it is warm; of what was timed the logits are kept."""
        checked = self.checked.get(item, [[0, 0]])
        heads = heads or [tuple(h) for h in checked]
        run(heads[:1])
        seconds, others = [], []
        for _ in range(repeats):
            with Stopwatch() as watch:
                found = run(heads)
            seconds.append(watch.seconds), others.append(watch.others)
        at = [heads.index(tuple(h)) for h in checked]
        self.records.append({
            "item": item, "tool": tool, "usage": usage, "heads": len(heads), "prompts": self.prompts[item],
            "seconds": seconds, "others": others, "logits": found[at].tolist(), "answers": found[:, :, -1].tolist(), **more})
        print(f"  {item}: {tool}, {usage}: {len(heads)} heads x {self.prompts[item]} prompts in {seconds} s", flush=True)
        (self.out / f"{self.tool}.json").write_text(json.dumps(self.records))


class Stopwatch:
    """Seconds, and the processor seconds that everything else on the machine took meanwhile (nan if that can't be read)."""

    @staticmethod
    def busy():
        try:
            user, nice, system, _, _, irq, softirq = map(int, open("/proc/stat").readline().split()[1:8])
        except OSError:
            return float("nan")
        return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")

    def __enter__(self):
        self.start = time.perf_counter(), time.process_time(), self.busy()
        return self

    def __exit__(self, *_):
        start, own, busy = self.start
        self.seconds = time.perf_counter() - start
        self.others = max(0.0, self.busy() - busy - (time.process_time() - own))


def named(package):
    return f"{package} {version(package)}"


def main():
    folder, out, quick = sys.argv[1], Path(sys.argv[2]), "--quick" in sys.argv[3:]
    config = json.loads((Path(folder) / "config.json").read_text())
    layers, heads = config["num_hidden_layers"], config["num_attention_heads"]
    prompts = {"forward": 2, "z": 2, "paths": 2} if quick else {"forward": 25, "z": 8, "paths": 50}
    work = {"quick": quick, "layers": layers, "heads": heads, "kv_heads": config["num_key_value_heads"],
            "d_head": config["hidden_size"] // heads, "prompts": prompts,
            "checked": {"z": spread(layers, heads, 2 if quick else 9), "paths": spread(layers, heads, 2 if quick else 5)},
            "watched": list(range(100, config["vocab_size"], 777))[:63],
            "repeats": 1 if quick else 3, "threads": int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count()),
            **make_prompts(tokenizer_of(folder), max(prompts.values()))}
    out.mkdir(parents=True, exist_ok=True)
    (out / "work.json").write_text(json.dumps(work))


if __name__ == "__main__":
    main()
