"""Writes tests/golden/data/gpt2_faithfulness/: a scored graph in the JSON of EAP-IG, and how faithful its best edges and nodes are.

    pip install numpy
    python3 tests/golden/make_faithfulness.py

The model is data/gpt2. It is run here in float64 edge by edge: each reader of the residual stream sums what each writer wrote, of this
run where the edge is in the circuit and of the corrupted prompt's run where it is not. Circuits are chosen, pruned and scored as
MIB's circuit track says (Mueller et al. 2025; evaluate_area_under_curve of its program): the best int(share * edges) by size of score,
faithfulness (m(C) - m(corrupted)) / (m(clean) - m(corrupted)), trapezoids over the shares. Nothing of the library is used.
"""
import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent / "data"
OUT = HERE / "gpt2_faithfulness"
LAYERS, HEADS, WIDTH, D, EPS = 3, 4, 8, 32, 1e-5
SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
CLEAN = [[7, 12, 31, 8, 44, 3], [5, 50, 2, 9], [20, 11, 6, 33, 1, 58, 17]]
CORRUPTED = [[7, 30, 31, 22, 44, 10], [5, 13, 41, 9], [4, 11, 29, 33, 48, 58, 17]]
RIGHT, WRONG = [9, 40, 25], [3, 18, 51]


def tensors():
    raw = (HERE / "gpt2" / "model.safetensors").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    for name, entry in json.loads(raw[8 : 8 + size]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            flat = np.frombuffer(raw[8 + size + begin : 8 + size + end], dtype="<f4")
            yield name, flat.reshape(entry["shape"]).astype(np.float64)


W = dict(tensors())


def norm(x, name):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * W[name + ".weight"] + W[name + ".bias"]


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


NODES = ["input"] + [n for layer in range(LAYERS) for n in [f"a{layer}.h{h}" for h in range(HEADS)] + [f"m{layer}"]]


def senders_before(layer, mlp):
    return NODES[: 1 + layer * (HEADS + 1) + (HEADS if mlp else 0)]


EDGES = [f"{s}->{r}" for layer in range(LAYERS) for mlp in (False, True) for s in senders_before(layer, mlp)
         for r in ([f"m{layer}"] if mlp else [f"a{layer}.h{h}<{x}>" for x in "qkv" for h in range(HEADS)])]
EDGES += [f"{s}->logits" for s in NODES]


def run(tokens, kept=None, corrupted=None):
    """What each node writes, and the last logits. kept None: all edges are in the circuit."""
    n = len(tokens)
    written = {"input": W["transformer.wte.weight"][tokens]}
    fixed = W["transformer.wpe.weight"][:n].copy()  # positions and attention's biases belong to no node

    def reads(receiver, senders):
        x = fixed.copy()
        for s in senders:
            x += written[s] if kept is None or f"{s}->{receiver}" in kept else corrupted[s]
        return x

    for layer in range(LAYERS):
        at = f"transformer.h.{layer}"
        w, b = W[at + ".attn.c_attn.weight"], W[at + ".attn.c_attn.bias"]
        out = W[at + ".attn.c_proj.weight"]
        new = {}
        for h in range(HEADS):
            part = {}
            for i, x in enumerate("qkv"):
                columns = slice(i * D + h * WIDTH, i * D + (h + 1) * WIDTH)
                part[x] = norm(reads(f"a{layer}.h{h}<{x}>", senders_before(layer, False)), at + ".ln_1") @ w[:, columns] + b[columns]
            score = part["q"] @ part["k"].T / np.sqrt(WIDTH)
            score[np.triu_indices(n, 1)] = -np.inf
            new[f"a{layer}.h{h}"] = softmax(score) @ part["v"] @ out[h * WIDTH : (h + 1) * WIDTH]
        written.update(new)
        fixed += W[at + ".attn.c_proj.bias"]
        x = norm(reads(f"m{layer}", senders_before(layer, True)), at + ".ln_2")
        x = x @ W[at + ".mlp.c_fc.weight"] + W[at + ".mlp.c_fc.bias"]
        x = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
        written[f"m{layer}"] = x @ W[at + ".mlp.c_proj.weight"] + W[at + ".mlp.c_proj.bias"]
    logits = norm(reads("logits", NODES), "transformer.ln_f")[-1] @ W["transformer.wte.weight"].T
    return written, logits


def pruned(kept):
    """Without what no path from the input to the logits goes through."""
    kept = set(kept)
    while True:
        sends = {e.split("->")[0] for e in kept}
        reads = {e.split("->")[1].split("<")[0] for e in kept} | {"input"}
        alive = sends & reads
        fewer = {e for e in kept if e.split("->")[0] in alive and e.split("->")[1].split("<")[0] in alive | {"logits"}}
        if fewer == kept:
            return kept
        kept = fewer


def mean_metrics(all_kept):
    """Of a circuit, or of the corrupted prompts (all_kept "corrupted"): the means of both metrics."""
    differences, divergences = [], []
    for clean, corrupted, right, wrong in zip(CLEAN, CORRUPTED, RIGHT, WRONG):
        noise, noise_logits = run(corrupted)
        logits = noise_logits if all_kept == "corrupted" else run(clean, all_kept, noise)[1]
        differences.append(logits[right] - logits[wrong])
        p, q = softmax(run(clean)[1]), softmax(logits)
        divergences.append(float((p * (np.log(p) - np.log(q))).sum()))
    return {"logit_difference": float(np.mean(differences)), "kl_to_clean": float(np.mean(divergences))}


def curves(ranking, circuit):
    whole, corrupted = mean_metrics(None), mean_metrics("corrupted")
    kept = [int(share * len(ranking)) for share in SHARES]
    circuits = [pruned(circuit(ranking[:n])) for n in kept]
    measured = [mean_metrics(c) for c in circuits]
    found = {"kept": kept, "edges_after_pruning": [len(c) for c in circuits]}
    for name in whole:
        f = [(m[name] - corrupted[name]) / (whole[name] - corrupted[name]) for m in measured]
        pairs = [(SHARES[i + 1] - SHARES[i], f[i], f[i + 1]) for i in range(len(f) - 1)]
        found[name] = {"clean": whole[name], "corrupted": corrupted[name], "faithfulness": f,
                       "cpr": sum(w * (a + b) / 2 for w, a, b in pairs),
                       "cmd": sum(w * (abs(1 - a) + abs(1 - b)) / 2 for w, a, b in pairs)}
    return found


def effect(cut):
    """How the mean difference changes where these edges are not in the circuit: their score."""
    return float(np.float32(mean_metrics(set(EDGES) - cut)["logit_difference"] - mean_metrics(None)["logit_difference"]))


edge_scores = {e: effect({e}) for e in EDGES}
node_scores = {n: effect({e for e in EDGES if e.startswith(n + "->")}) for n in NODES}
best_edges = sorted(EDGES, key=lambda e: -abs(edge_scores[e]))
best_nodes = sorted(NODES, key=lambda n: -abs(node_scores[n]))
chosen = pruned(best_edges[: len(EDGES) // 5])

graph = {"cfg": {"n_layers": LAYERS, "n_heads": HEADS, "parallel_attn_mlp": False, "d_model": D},
         "nodes": {n: {"in_graph": any(e.startswith(n + "->") for e in chosen), "score": node_scores[n]} for n in NODES},
         "edges": {e: {"score": edge_scores[e], "in_graph": e in chosen} for e in EDGES}}
graph["nodes"]["logits"] = {"in_graph": True}
OUT.mkdir(exist_ok=True)
(OUT / "graph.json").write_text(json.dumps(graph))
expected = {"clean_tokens": CLEAN, "corrupted_tokens": CORRUPTED, "answers": RIGHT, "wrong": WRONG, "shares": SHARES,
            "edges": curves(best_edges, set),
            "nodes": curves(best_nodes, lambda best: {e for e in EDGES if e.split("->")[0] in best})}
(OUT / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
