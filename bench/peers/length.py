"""How a forward pass grows with the length of its prompt: bench_length beside Hugging Face (sdpa, fp32), in turns.

    python3 length.py PATH/TO/bench_length [LENGTH | COUNTxLENGTH]...

Both have SmolLM2-135M's shape with random weights and compute the logits of each prompt's last token on as many threads
as torch takes by itself; what is told is the best of two turns. Needs torch and transformers, and no files.
"""
import json
import os
import resource
import subprocess
import sys
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

program, wanted = sys.argv[1], sys.argv[2:] or ["53", "256", "1024", "2048", "4096", "8192", "25x53", "8x512"]
config = LlamaConfig(hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
                     num_key_value_heads=3, vocab_size=49152, rms_norm_eps=1e-5, rope_parameters={"rope_type": "default", "rope_theta": 100000.0},
                     tie_word_embeddings=True, max_position_embeddings=8192, attn_implementation="sdpa")
torch.manual_seed(1)
model = LlamaForCausalLM(config).float().eval()
threads = torch.get_num_threads()


@torch.inference_mode()
def peer(count, length):
    x = torch.randint(0, 49152, (count, length))
    best, spent = 1e30, 0
    for i in range(10):
        begin = time.perf_counter()
        model(x, logits_to_keep=1, use_cache=False)
        seconds = time.perf_counter() - begin
        best, spent = min(best, seconds), spent + seconds
        if spent > 20 or (i >= 2 and spent > 2):
            break
    return count * length / best


print(f"torch {torch.__version__}, {threads} threads; tokens/s")
print(f"{'prompts':>9} {'Hugging Face':>13} {'engraft':>9} {'ratio':>6}")
for what in wanted:
    count, length = (int(n) for n in what.split("x")) if "x" in what else (1, int(what))
    theirs, ours = 0, 0
    for _ in range(2):
        theirs = max(theirs, peer(count, length))
        line = subprocess.run([program, what], check=True, capture_output=True, text=True,
                              env={**os.environ, "OMP_NUM_THREADS": str(threads)}).stdout
        ours = max(ours, json.loads(line)["tokens_per_second"])
    print(f"{what:>9} {theirs:13.1f} {ours:9.1f} {ours / theirs:6.2f}", flush=True)
