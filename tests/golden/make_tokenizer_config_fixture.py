"""Writes tests/golden/data/tokenizer/configs.expected.json: what AutoTokenizer makes of a tokenizer.json and the files beside it.

    pip install transformers==5.24.0 tokenizers==0.23.3 jinja2
    python3 tests/golden/make_tokenizer_config_fixture.py

Each case names a tokenizer of that folder, holds the files that lie beside it, and for each text [ids, decoded, decoded without
special tokens], the last two null where they are the text itself.
"""
import json
import pathlib
import shutil
import tempfile

from transformers import AutoTokenizer

DATA = pathlib.Path(__file__).parent / "data" / "tokenizer"
TEXTS = [
    "Hello world", " Hello  world", "<s>", "a</s> b", "x<unk>y z", "▁Hello", "don't stop\n\n x", "cafe\u0301 12345",
    "  <s>  Hello<s> Hello", "a<|endoftext|> <bos>b", "a [MASK] keep b", "<img> <x>the",
]


def token(content, **flags):
    return dict(dict(content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=False), **flags)


def stated(name):
    document = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in document["added_tokens"]}


def cases():
    classes = [
        ("gpt2", "PreTrainedTokenizerFast"), ("gpt2", "GPT2Tokenizer"), ("gpt2", "GPTNeoXTokenizerFast"), ("qwen2", "Qwen2TokenizerFast"),
        ("llama2", "LlamaTokenizerFast"), ("llama2", "PreTrainedTokenizerFast"), ("llama3", "LlamaTokenizer"),
        ("metaspace", "GemmaTokenizerFast"), ("llama1", "LlamaTokenizer"), ("llama3", "GPTNeoXTokenizer"),
    ]
    settings = [{}, {"add_prefix_space": True}, {"add_prefix_space": False}, {"add_bos_token": True, "add_eos_token": True},
                {"add_bos_token": False, "add_eos_token": False}]
    for name, cls in classes:
        for setting in settings:
            yield name, {"tokenizer_config.json": {"tokenizer_class": cls, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", **setting}}
    for name, cls in classes:
        yield name, {"tokenizer_config.json": {"tokenizer_class": cls}}
    for name, cls, model_type in [
        ("gpt2", "LlamaTokenizer", "gpt2"), ("gpt2", "GPT2Tokenizer", "qwen2"), ("llama2", "LlamaTokenizer", "mistral"),
        ("llama2", "PreTrainedTokenizerFast", "gemma2"), ("llama2", "LlamaTokenizer", "gemma2"), ("llama2", "LlamaTokenizer", "llama"),
        ("gpt2", "PreTrainedTokenizerFast", "qwen3"), ("gpt2", "GPTNeoXTokenizer", "gpt_neox"), ("gpt2", None, "gpt2"), ("gpt2", None, "qwen3"),
        ("llama2", None, "llama"), ("metaspace", None, "gemma2"), ("gpt2", None, "gpt_neox"), ("llama2", None, "mistral"),
    ]:
        config = {"tokenizer_class": cls} if cls else {}
        yield name, {"tokenizer_config.json": config, "config.json": {"model_type": model_type}}
    yield "llama2", {"tokenizer_config.json": {}, "config.json": {"model_type": "llama", "tokenizer_class": "LlamaTokenizer"}}
    for cls in ("PreTrainedTokenizerFast", "GPT2Tokenizer", "Qwen2Tokenizer"):
        base = {"tokenizer_class": cls}
        yield "gpt2", {"tokenizer_config.json": {**base, "added_tokens_decoder": {**stated("gpt2"), "706": token("Hello")}}}
        yield "gpt2", {"tokenizer_config.json": {**base, "added_tokens_decoder": {**stated("gpt2"), "703": token("keep", lstrip=True)}}}
        yield "gpt2", {"tokenizer_config.json": {**base, "bos_token": "<bos>", "extra_special_tokens": ["<x>", "<s>"], "z_token": "<img>"}}
        yield "gpt2", {"tokenizer_config.json": {**base, "additional_special_tokens": ["<x>"], "extra_special_tokens": {"im": "<img>"}}}
        yield "gpt2", {"tokenizer_config.json": {**base, "bos_token": {"__type": "AddedToken", **token("the", lstrip=True)}, "unk_token": None}}
        yield "gpt2", {
            "tokenizer_config.json": {**base, "eos_token": "<img>"},
            "special_tokens_map.json": {"bos_token": token("<bos>", rstrip=True), "eos_token": "</s>"},
            "added_tokens.json": {"<img>": 706, "world": 707, "keep": 703},
        }
        plain = {**stated("gpt2"), "2": token("<unk>", lstrip=True), "700": token("[MASK]", rstrip=True)}
        yield "gpt2", {"tokenizer_config.json": {**base, "eos_token": "<unk>", "added_tokens_decoder": plain}}
        twice = {"pad_token": {"__type": "AddedToken", **token("world", lstrip=True)}, "mask_token": {"__type": "AddedToken", **token("world", rstrip=True)}}
        yield "gpt2", {"tokenizer_config.json": {**base, **twice, "extra_special_tokens": ["world", "keep"]}}
    yield "llama2", {"tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer", "legacy": True}}
    yield "llama2", {"tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer", "legacy": None, "clean_up_tokenization_spaces": True}}


def main():
    rows = []
    for name, files in cases():
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            shutil.copy(DATA / f"{name}.json", folder / "tokenizer.json")
            for file, value in files.items():
                (folder / file).write_text(json.dumps(value), encoding="utf-8")
            tokenizer = AutoTokenizer.from_pretrained(folder)
            row = []
            for text in TEXTS:
                ids = tokenizer(text)["input_ids"]
                decoded = [tokenizer.decode(ids, skip_special_tokens=skip) for skip in (False, True)]
                row.append([ids] + [None if d == text else d for d in decoded])
            rows.append({"tokenizer": name, "files": files, "rows": row})
    with open(DATA / "configs.expected.json", "w", encoding="utf-8") as out:
        lines = [json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in [TEXTS] + rows]
        out.write("[\n" + ",\n".join(lines) + "\n]\n")


main()
