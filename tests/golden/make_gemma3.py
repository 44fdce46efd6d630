"""Writes tests/golden/data/gemma3_270m.json: what Hugging Face transformers makes of Gemma 3 270M, dequantised from its GGUF file.

    sh cmake/fetch_gemma3.sh FOLDER
    pip install gguf==0.19.0 transformers==5.24.0 torch==2.15.0 accelerate==1.15.0
    python3 tests/golden/make_gemma3.py FOLDER/gemma-3-270m-q4_k_m.gguf

For each of 20 prompts: `text`, its `tokens`; of the logits of the last token, in double, the 5 largest and those of 10 other tokens
(`entries`, `logits`), and the log-sum-exp of all; `next`, 20 tokens, each the most probable after those before it, and `margin`, by how much
the least clear of these choices was made. `texts` are more texts and their tokens, for the tokenizer alone.

Model and tokenizer are both what transformers reads from the file. The last prompt is longer than the model's window.
"""
import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

OUT = pathlib.Path(__file__).parent / "data" / "gemma3_270m.json"
NEW = 20
VOCAB, WINDOW = 262144, 512
SAMPLED = [i * (VOCAB // 10) + 7 for i in range(10)]

PROMPTS = [
    "The",
    "The capital of France is",
    "Once upon a time, in a small village at the edge of a great forest, there lived an old woman who",
    "1, 2, 3, 4, 5,",
    "Water boils at 100 degrees Celsius, which is",
    "def fibonacci(n):\n    if n < 2:\n        return n\n    return",
    "#include <vector>\n\nint sum(std::vector<int> const& v) {\n\tint s = 0;\n\tfor (int x : v)\n\t\ts +=",
    '{"name": "box", "size": [1, 2, 3], "colour": "red", "owner": null, "',
    "SELECT name, COUNT(*) FROM orders WHERE year = 2024 GROUP BY",
    "<start_of_turn>user\nWhat is the opposite of hot?<end_of_turn>\n<start_of_turn>model\n",
    "Der Fluß fließt über die Brücke, und das Mädchen hört schöne",
    "La révolution française a commencé en 1789 lorsque les",
    "В начале было Слово, и Слово было у",
    "日本の首都は東京です。フランスの首都は",
    "人工智能的发展历史可以追溯到",
    "عاصمة فرنسا هي",
    "भारत की राजधानी",
    "대한민국의 수도는",
    "naïve café — “quotes” … 😀👩‍👩‍👧  two spaces,\n\n\nthree newlines\ttab and   trailing ",
    " ".join(f"{i} times {i} is {i * i}." for i in range(2, 48)) + " 48 times 48 is",
]

TEXTS = [
    "",
    " ",
    "    ",
    "\n",
    "\r\n\r\n",
    "a" * 40,
    "=" * 45 + "-" * 70,
    "hahahahahahaha",
    "0123456789 3.14159 1,000,000 1e-5",
    "<bos><eos><pad><unused7>",
    "<table><tr><td>1</td></tr></table>",
    "if(x){\n" + " " * 31 + "y(\n" + " " * 47 + "z);\n}",
    "\u2581 \u2581\u2581visible \u2581\u2581\u2581 spaces\u2581",
    "\t\t\tmixed \t tabs \t\t and  spaces   of    all     widths      here",
    "e\u0301 is not \u00e9, and \ufb01 not fi",
    "ไม่มีช่องว่าง ქართული አማርኛ ᚠᛇᚻ 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \U0001f9d1\u200d\U0001f680 \u0000\u0001\u007f",
    "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogoch",
    "mississippi bananas aaabbbaaabbb ababababab xyxyxyxyx",
]


def main():
    file = pathlib.Path(sys.argv[1])
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    single = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    config = single.config
    print(config)
    assert (config.model_type, config.vocab_size, config.sliding_window) == ("gemma3_text", VOCAB, WINDOW)
    tokens = [tokenizer(text)["input_ids"] for text in PROMPTS]
    assert len(PROMPTS) == 20 and len(tokens[-1]) > WINDOW + 50
    with torch.no_grad():
        in_single = [single(torch.tensor([ids]), logits_to_keep=1).logits[0, -1].double() for ids in tokens]
    model = single.double()
    prompts = []
    for text, ids, rounded in zip(PROMPTS, tokens, in_single):
        with torch.no_grad():
            so_far, before, unseen = list(ids), None, ids
            for _ in range(NEW):
                out = model(torch.tensor([unseen]), cache=before, use_cache=True, logits_to_keep=1)
                before, unseen = out.cache, [int(out.logits[0, -1].argmax())]
                so_far += unseen
            # All again, without what a cache might do to them.
            logits = model(torch.tensor([so_far[:-1]]), use_cache=False, logits_to_keep=NEW).logits[0]
        best = logits.topk(2)
        assert best.indices[:, 0].tolist() == so_far[len(ids) :]
        first = logits[0]
        entries = first.topk(5).indices.tolist() + SAMPLED
        margin = float((best.values[:, 0] - best.values[:, 1]).min())
        prompts.append(
            {
                "text": text,
                "tokens": ids,
                "entries": entries,
                "logits": [round(x, 9) for x in first[entries].tolist()],
                "log_sum_exp": round(float(torch.logsumexp(first, 0)), 9),
                "next": so_far[len(ids) :],
                "margin": round(margin, 6),
            }
        )
        print(
            len(ids),
            f"margin {margin:.4f}, fp32 differs by {float((first - rounded).abs().max()):.2g} of {float(first.abs().max()):.3g}",
            repr(tokenizer.decode(so_far[len(ids) :])),
            flush=True,
        )
    texts = [{"text": text, "tokens": tokenizer(text)["input_ids"]} for text in TEXTS]
    lines = [",\n".join(json.dumps(each, ensure_ascii=False) for each in some) for some in (prompts, texts)]
    OUT.write_text('{"prompts": [\n%s\n],\n"texts": [\n%s\n]}\n' % tuple(lines), encoding="utf-8")


main()
