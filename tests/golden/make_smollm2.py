"""Writes tests/golden/data/smollm2/: what Hugging Face transformers makes of SmolLM2-135M-Instruct, dequantised from its GGUF file.

    sh cmake/fetch_smollm2.sh FOLDER
    pip install gguf==0.19.0 transformers==4.53.3 torch==2.5.1 tokenizers==0.21.4 safetensors
    python3 tests/golden/make_smollm2.py FOLDER/SmolLM2-135M-Instruct.Q4_1.gguf

expected.safetensors: per prompt, of the logits of its last token, in double, those of the first and every 331st token and the 40 largest
(`entries` [prompts, n] tokens, `logits` their values), and the log-sum-exp of all; the next 20 tokens, each the most probable after
those before it (`continuations` [prompts, 20]). prompts.json: [text, tokens].

Tokens are those of the model's own tokenizer (Hugging Face's SmolLM2: digits one by one, then GPT-2's splitting), put together here
from the file's vocabulary and merges; what transformers makes of GGUF files leaves out the digits, and must agree where there are none.
"""
import json
import pathlib
import re
import sys

import numpy as np
import torch
from gguf import GGUFReader
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

OUT = pathlib.Path(__file__).parent / "data" / "smollm2"
NEW = 20

PROMPTS = [
    "The",
    "Hello, world!",
    "The capital of France is",
    "1, 2, 3, 4, 5,",
    "def fibonacci(n):\n    if n < 2:\n        return n\n    return",
    "Water boils at 100 degrees Celsius, which is",
    "<|im_start|>user\nWhat is the opposite of hot?<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nName three colours of the rainbow.<|im_end|>\n<|im_start|>assistant\n",
    "The apple is in Box A, the clock is in Box B, the coat is in Box C. Box B contains the",
    "Der Fluß fließt über die Brücke, und das Mädchen hört schöne",
    "Once upon a time, in a small village at the edge of a great forest, there lived an old woman who",
    "import numpy as np\n\ndef softmax(x):\n    e = np.exp(x - np.max(x))\n    return",
    "Q: How many legs do two dogs and three chickens have in all?\nA: Two dogs have 8 legs. Three chickens have",
    "  leading spaces, trailing tab\t",
    "naïve café — “quotes” … 😀 你好",
    "In 1969, Apollo 11 landed on the Moon. The commander of the mission was",
    "x = 3.14159\ny = 2 * x\nprint(y)  #",
    "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer\nThe slings and arrows of outrageous fortune,\nOr to take arms against a sea of troubles\nAnd by opposing end them. To die—to sleep,\nNo more; and by a sleep to say we end\nThe heart-ache and the thousand natural shocks\nThat flesh is heir to: 'tis a consummation\nDevoutly to be wish'd. To die, to",
    "{\"name\": \"box\", \"size\": [1, 2, 3], \"colour\": \"red\", \"contents\": [\"apple\", \"clock\"], \"owner\": null, \"",
    "A list of the first ten prime numbers: 2, 3, 5, 7, 11, 13, 17, 19, 23, 29. A list of the first ten square numbers: 1, 4, 9, 16, 25, 36, 49, 64, 81, 100. A list of the first ten powers of two: 1, 2, 4, 8, 16, 32, 64, 128,",
]


def own_tokenizer(file):
    fields = GGUFReader(file).fields
    texts = fields["tokenizer.ggml.tokens"].contents()
    kinds = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(texts)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, kind in zip(texts, kinds) if kind == 3])
    return tokenizer


def main():
    file = pathlib.Path(sys.argv[1])
    torch.set_num_threads(2)
    tokenizer = own_tokenizer(file)
    theirs = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, torch_dtype=torch.float32, attn_implementation="eager").double()
    prompts, entries, logits, log_sums, continuations, margins = [], [], [], [], [], []
    for text in PROMPTS:
        ids = tokenizer.encode(text).ids
        if not re.search(r"\d", text):
            assert theirs(text, add_special_tokens=False)["input_ids"] == ids, text
        prompts.append([text, ids])
        so_far, margin = list(ids), []
        with torch.no_grad():
            for step in range(NEW):
                last = model(torch.tensor([so_far])).logits[0, -1].double().numpy()
                if step == 0:
                    picked = np.concatenate([np.arange(0, len(last), 331), np.argsort(-last)[:40]])
                    entries.append(picked)
                    logits.append(last[picked])
                    log_sums.append(np.log(np.sum(np.exp(last - last.max()))) + last.max())
                best = np.sort(last)[-2:]
                margin.append(best[1] - best[0])
                so_far.append(int(last.argmax()))
        continuations.append(so_far[len(ids) :])
        margins.append(min(margin))
        print(len(ids), round(min(margin), 4), repr(tokenizer.decode(continuations[-1], skip_special_tokens=False)), flush=True)
    OUT.mkdir(parents=True, exist_ok=True)
    save_file(
        {
            "entries": np.array(entries, dtype=np.int64),
            "logits": np.array(logits),
            "log_sum_exp": np.array(log_sums),
            "continuations": np.array(continuations, dtype=np.int64),
            "margins": np.array(margins),
        },
        OUT / "expected.safetensors",
    )
    (OUT / "prompts.json").write_text(json.dumps(prompts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


main()
