"""Writes the inputs in tests/fuzz/corpus/ that are made by hand: valid and near-valid files that are as small as they can be.

    python3 tests/fuzz/make_corpus.py

Files whose names begin with `found` are no business of this program: they are inputs that a fuzzer found, or a reader of the code,
on which a loader once did what it must not.
"""
import json
import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"
GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "data"


def put(target, name, content):
    (CORPUS / target).mkdir(parents=True, exist_ok=True)
    (CORPUS / target / name).write_bytes(content if isinstance(content, bytes) else content.encode())


# --- safetensors -----------------------------------------------------------------------------------------------------
WIDTH = {"BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "U32": 4, "I32": 4, "U64": 8, "I64": 8, "F16": 2, "BF16": 2, "F32": 4, "F64": 8,
         "F8_E4M3": 1, "C64": 8}


def safetensors(tensors, metadata=None):
    """`tensors` is (name, dtype, shape) ...; their bytes count up."""
    header, at = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for name, dtype, shape in tensors:
        size = WIDTH[dtype]
        for n in shape:
            size *= n
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(i * 7 % 256 for i in range(at))


def make_safetensors():
    put("safetensors", "dtypes", safetensors([(dtype, dtype, [2, 3]) for dtype in WIDTH], {"format": "pt"}))
    put("safetensors", "shapes", safetensors([("scalar", "F32", []), ("none", "F32", [0]), ("none2", "F16", [4, 0]), ("cube", "BF16", [2, 2, 2])]))
    put("safetensors", "one", safetensors([("w", "F32", [2])]))
    put("safetensors", "nothing", safetensors([]))


# --- GGUF ------------------------------------------------------------------------------------------------------------
U32, F32, BOOL, TEXT, ARRAY = 4, 6, 7, 8, 9
BLOCKS = {0: (4, 1), 1: (2, 1), 2: (18, 32), 3: (20, 32), 8: (34, 32), 12: (144, 256), 14: (210, 256), 30: (2, 1)}


def text(t):
    raw = t.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(v):
    if isinstance(v, bool):
        return BOOL, struct.pack("<B", v)
    if isinstance(v, int):
        return U32, struct.pack("<I", v)
    if isinstance(v, float):
        return F32, struct.pack("<f", v)
    if isinstance(v, str):
        return TEXT, text(v)
    kind = value(v[0])[0]
    return ARRAY, struct.pack("<IQ", kind, len(v)) + b"".join(value(e)[1] for e in v)


def gguf(metadata, tensors=()):
    """`tensors` is (name, type, shape) ..., the shape as [out, in]."""
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, v in metadata.items():
        kind, raw = value(v)
        out += text(key) + struct.pack("<I", kind) + raw
    data = b""
    for name, kind, shape in tensors:
        out += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in reversed(shape))
        out += struct.pack("<IQ", kind, len(data))
        size = 1
        for n in shape:
            size *= n
        width, elements = BLOCKS[kind]
        size = size // elements * width
        data += bytes(i * 7 % 256 for i in range(size)) + bytes(-size % 32)
    return out + (bytes(-len(out) % 32) + data if tensors else b"")


def sizes(arch, **more):
    numbers = {"block_count": 1, "context_length": 8, "embedding_length": 4, "feed_forward_length": 4, "attention.head_count": 2}
    return {"general.architecture": arch} | {f"{arch}.{key}": v for key, v in (numbers | more).items()}


def block(*maps):
    return [(f"blk.0.{name}", 1, list(shape)) for name, *shape in maps]


QKV = block(("attn_q.weight", 4, 4), ("attn_k.weight", 2, 4), ("attn_v.weight", 2, 4), ("attn_output.weight", 4, 4))
MLP = block(("ffn_gate.weight", 4, 4), ("ffn_up.weight", 4, 4), ("ffn_down.weight", 4, 4), ("attn_norm.weight", 4), ("ffn_norm.weight", 4))
EMBEDDING = [("token_embd.weight", 1, [3, 4]), ("output_norm.weight", 0, [4])]
RMS = {"attention.layer_norm_rms_epsilon": 1e-5, "attention.head_count_kv": 1}
BYTES = [chr(b) if 0x21 <= b < 0x7F else f"<0x{b:02X}>" for b in range(128)]


def make_gguf():
    put("gguf", "llama", gguf(sizes("llama", **RMS), EMBEDDING + QKV + MLP))
    put("gguf", "mistral", gguf(sizes("llama", **RMS | {"attention.sliding_window": 3}), EMBEDDING + QKV + [("output.weight", 1, [3, 4])]))
    put("gguf", "llama3", gguf(sizes("llama", **RMS | {"rope.freq_base": 500000.0}), EMBEDDING + QKV + [("rope_freqs.weight", 0, [1])]))
    put("gguf", "qwen2", gguf(sizes("qwen2", **RMS), EMBEDDING + QKV + MLP + block(("attn_q.bias", 4))))
    put("gguf", "qwen3", gguf(sizes("qwen3", **RMS | {"attention.key_length": 2, "attention.value_length": 2}), EMBEDDING + QKV + MLP))
    put("gguf", "gemma2", gguf(sizes("gemma2", **RMS | {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}), EMBEDDING + QKV + MLP))
    layer_norm = {"attention.layer_norm_epsilon": 1e-5}
    fused = block(("attn_qkv.weight", 12, 4), ("attn_qkv.bias", 12), ("attn_output.weight", 4, 4), ("ffn_up.weight", 4, 4))
    put("gguf", "gpt2", gguf(sizes("gpt2", **layer_norm), EMBEDDING + fused))
    put("gguf", "gpt_neox", gguf(sizes("gptneox", **layer_norm | {"use_parallel_residual": True, "rope.dimension_count": 2}), EMBEDDING + fused))
    put("gguf", "blocks", gguf(sizes("llama", **RMS), EMBEDDING + [(f"type.{kind}", kind, [2, BLOCKS[kind][1]]) for kind in BLOCKS]))
    put("gguf", "unaligned", gguf({"general.alignment": 8, "general.architecture": "none", "nested": [[1, 2], [3]]}))

    words = ["<unk>", "<s>", "</s>", "\u2581", "a", "b", "c", "ab", "abc", "\u2581a"] + [f"<0x{b:02X}>" for b in range(16)]
    put("gguf", "words_llama", gguf({"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": words,
                                     "tokenizer.ggml.scores": [-float(i) for i in range(len(words))],
                                     "tokenizer.ggml.token_type": [2, 3, 3] + [1] * 7 + [6] * 16,
                                     "tokenizer.ggml.unknown_token_id": 0, "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
                                     "tokenizer.ggml.add_eos_token": True}))
    letters = ["<s>", "\u0120"] + list("abcdehilnopstx") + ["ab", "abc", "\u0120a"]
    for pre in ("smollm", "qwen2", "llama3"):
        put("gguf", "words_" + pre, gguf({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": pre, "tokenizer.ggml.tokens": letters,
                                          "tokenizer.ggml.merges": ["a b", "ab c", "\u0120 a"], "tokenizer.ggml.bos_token_id": 0,
                                          "tokenizer.ggml.token_type": [3] + [1] * (len(letters) - 1)}))


# --- config.json -----------------------------------------------------------------------------------------------------
def make_config():
    for folder in sorted(GOLDEN.iterdir()):
        if (folder / "config.json").exists():
            config = json.loads((folder / "config.json").read_text())
            for key in ("transformers_version", "dtype", "torch_dtype", "use_cache", "initializer_range"):
                config.pop(key, None)
            put("config", folder.name, json.dumps(config, separators=(",", ":")))


# --- tokenizer.json --------------------------------------------------------------------------------------------------
def make_tokenizer():
    for file in sorted((GOLDEN / "tokenizer").glob("*.json")):
        document = json.loads(file.read_text())
        if file.name.endswith(".expected.json") or "model" not in document:
            continue
        # What is special about each is around its vocabulary, of which little is kept.
        model = document["model"]
        added = {a["id"] for a in document["added_tokens"]}
        vocab = {t: i for t, i in model["vocab"].items() if i in added or len(t) == 1 and t < "\u0180" or t in ("\u2581", "<0x0A>", "<0xC3>", "<0xAF>")}
        merges = []
        for merge in model["merges"]:
            left, right = merge.split(" ") if isinstance(merge, str) else merge
            if left in vocab and right in vocab and len(merges) < 10:
                merges.append(merge)
                vocab[left + right] = model["vocab"][left + right]
        for key in (model.get("unk_token"),):
            if key is not None:
                vocab[key] = model["vocab"][key]
        document["model"] = model | {"vocab": vocab, "merges": merges}
        put("tokenizer", file.stem, json.dumps(document, ensure_ascii=False, separators=(",", ":")))


# --- adapters --------------------------------------------------------------------------------------------------------
def make_lora():
    def pair(module, out, into, rank=2):
        return [(f"base_model.model.{module}.lora_A.weight", "F32", [rank, into]), (f"base_model.model.{module}.lora_B.weight", "F32", [out, rank])]

    def adapter(name, tensors, **config):
        put("lora", name, json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 4} | config).encode() + b"\0" + safetensors(tensors))

    layers = [f"model.layers.{i}." for i in range(2)]
    queries = [t for layer in layers for t in pair(layer + "self_attn.q_proj", 4, 3)]
    adapter("queries", queries, target_modules=["q_proj"])
    adapter("expression", queries, target_modules=r".*\.q_pr[o]j")
    adapter("everything", queries + [t for layer in layers for t in pair(layer + "self_attn.o_proj", 3, 4) + pair(layer + "mlp.c_fc", 5, 3)],
            target_modules="all-linear", use_rslora=True)
    adapter("patterns", pair("model.layers.0.self_attn.q_proj", 4, 3, 1) + pair("model.layers.1.self_attn.q_proj", 4, 3), target_modules=["q_proj"],
            rank_pattern={"layers.0.*": 1}, alpha_pattern={"layers.1.self_attn.q_proj": 1})
    adapter("one_layer", pair("model.layers.1.self_attn.o_proj", 3, 4), target_modules=["o_proj"], layers_to_transform=[1], layers_pattern=["layers"],
            exclude_modules=["mlp.c_fc"])
    adapter("unembedding", pair("lm_head", 6, 3), target_modules=["lm_head"], init_lora_weights="gaussian", bias="none", modules_to_save=None)


make_safetensors()
make_gguf()
make_config()
make_tokenizer()
make_lora()


# --- tokenizer_config ------------------------------------------------------------------------------------------------
def make_tokenizer_config():
    stated = {"9": {"content": "<s>", "special": True}, "10": {"content": "box", "normalized": True}}
    for name, config in {
        "plain": {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "add_prefix_space": True},
        "gpt2": {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True, "added_tokens_decoder": stated},
        "neox": {"tokenizer_class": "GPTNeoXTokenizerFast", "add_bos_token": True},
        "qwen2": {"tokenizer_class": "Qwen2Tokenizer", "extra_special_tokens": ["<x>", "a"], "image_token": "<img>"},
        "llama": {"tokenizer_class": "LlamaTokenizer", "legacy": True, "eos_token": {"__type": "AddedToken", "content": "he", "lstrip": True}},
        "gemma": {"tokenizer_class": "GemmaTokenizer", "unk_token": "a", "mask_token": None},
        "number": {"added_tokens_decoder": {"12": {"content": "there"}}},
        "named": {"extra_special_tokens": {"im": "<img>"}, "additional_special_tokens": ["<y>"]},
        "refused": {"split_special_tokens": True},
    }.items():
        put("tokenizer_config", name, json.dumps(config))


make_tokenizer_config()
