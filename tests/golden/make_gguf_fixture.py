"""Writes tests/golden/data/gguf/: GGUF files and what they must be read as.

    pip install gguf==0.19.0 transformers==4.53.3 torch==2.5.1 tokenizers==0.21.4 safetensors

(gemma3 was made with transformers 5.24.0, whose config.json is of the new style.)

    python3 tests/golden/make_gguf_fixture.py

blocks.gguf and more_blocks.gguf hold random blocks of every type that is read, the .safetensors files beside them what the package gguf
(gguf.quants) makes of them.
NAME/ is a model with random weights as Hugging Face has it, NAME.gguf the same in llama.cpp's layout: converted here as llama.cpp's
conversion/ does it, and, where transformers reads GGUF files of that architecture, read back with it to the same tensors.
tokenizer_NAME.gguf is a tokenizer of ../tokenizer (or the SentencePiece-like one with scores) as metadata, tokenizer_NAME.expected.json
what Hugging Face's `tokenizers` makes of ../tokenizer/texts.json, as make_tokenizer_fixture.py says. damage.gguf has a bit of everything.
"""
import json
import math
import pathlib

import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter, MODEL_ARCH, get_tensor_name_map
from gguf.quants import dequantize
from safetensors.numpy import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers.convert_slow_tokenizer import generate_merges

DATA = pathlib.Path(__file__).parent / "data"
OUT = DATA / "gguf"
random = np.random.default_rng(7)


# --- blocks ----------------------------------------------------------------------------------------------------------
def halves(n, scale):
    return (random.standard_normal(n) * scale).astype(np.float16).view(np.uint8).reshape(n, 2)


def blocks(kind, n):
    """Random bytes, and numbers of a sensible size where a block has fp16."""
    anything = lambda width: random.integers(0, 256, (n, width), dtype=np.uint8)
    if kind == Type.Q4_0:
        return np.hstack([halves(n, 0.1), anything(16)])
    if kind == Type.Q4_1:
        return np.hstack([halves(n, 0.1), halves(n, 1), anything(16)])
    if kind == Type.Q8_0:
        return np.hstack([halves(n, 0.01), anything(32)])
    if kind == Type.Q4_K:
        return np.hstack([halves(n, 0.01), halves(n, 0.01), anything(12), anything(128)])
    if kind == Type.Q5_0:
        return np.hstack([halves(n, 0.1), anything(4), anything(16)])
    if kind == Type.Q5_1:
        return np.hstack([halves(n, 0.1), halves(n, 1), anything(4), anything(16)])
    if kind == Type.Q2_K:
        return np.hstack([anything(16), anything(64), halves(n, 0.01), halves(n, 0.01)])
    if kind == Type.Q3_K:
        return np.hstack([anything(32), anything(64), anything(12), halves(n, 0.01)])
    if kind == Type.Q5_K:
        return np.hstack([halves(n, 0.01), halves(n, 0.01), anything(12), anything(32), anything(128)])
    return np.hstack([anything(128), anything(64), anything(16), halves(n, 0.001)])


def make_blocks(file, kinds, with_floats=False):
    writer = GGUFWriter(OUT / f"{file}.gguf", "none")
    expected = {}
    for kind in kinds:
        raw = blocks(kind, 12).reshape(4, -1)  # four rows of three blocks
        writer.add_tensor(kind.name, raw, raw_dtype=kind)
        expected[kind.name] = dequantize(raw, kind)
    if with_floats:
        add_floats(writer, expected)
    close(writer)
    save_file(expected, OUT / f"{file}.safetensors")


def add_floats(writer, expected):
    f32 = random.standard_normal((3, 5)).astype(np.float32)
    f16 = random.standard_normal((3, 5)).astype(np.float16)
    bf16 = (f32.view(np.uint32) >> 16).astype(np.uint16)
    for name, raw, value, kind in (
        ("F32", f32, f32, Type.F32),
        ("F16", f16, f16.astype(np.float32), Type.F16),
        ("BF16", bf16.view(np.uint8).reshape(3, 10), (bf16.astype(np.uint32) << 16).view(np.float32), Type.BF16),
    ):
        writer.add_tensor(name, raw, raw_dtype=kind)
        expected[name] = value


def close(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# --- models ----------------------------------------------------------------------------------------------------------
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
SIZES = dict(num_hidden_layers=2, hidden_size=16, intermediate_size=24, vocab_size=40, num_attention_heads=4, max_position_embeddings=64)
MODELS = {
    "llama": ("LlamaForCausalLM", MODEL_ARCH.LLAMA, dict(SIZES, hidden_size=32, num_key_value_heads=2, attention_bias=True, mlp_bias=True, rms_norm_eps=1e-5, rope_theta=500000.0, rope_scaling=LLAMA3, tie_word_embeddings=False)),
    "qwen2": ("Qwen2ForCausalLM", MODEL_ARCH.QWEN2, dict(SIZES, num_key_value_heads=2, rms_norm_eps=1e-6, rope_theta=1e6, tie_word_embeddings=True)),
    "qwen3": ("Qwen3ForCausalLM", MODEL_ARCH.QWEN3, dict(SIZES, num_key_value_heads=2, head_dim=6, rms_norm_eps=1e-6, rope_theta=1e6, tie_word_embeddings=False)),
    "gemma2": ("Gemma2ForCausalLM", MODEL_ARCH.GEMMA2, dict(SIZES, num_key_value_heads=2, head_dim=8, query_pre_attn_scalar=8, sliding_window=32, attn_logit_softcapping=50.0, final_logit_softcapping=30.0, hidden_activation="gelu_pytorch_tanh", tie_word_embeddings=True)),
    "gemma3": ("Gemma3ForCausalLM", MODEL_ARCH.GEMMA3, dict(SIZES, num_key_value_heads=2, head_dim=8, query_pre_attn_scalar=8, sliding_window=32, rope_local_base_freq=10000.0, rope_theta=500000.0, hidden_activation="gelu_pytorch_tanh", tie_word_embeddings=True)),
    "gpt2": ("GPT2LMHeadModel", MODEL_ARCH.GPT2, dict(n_layer=2, n_embd=16, n_head=4, n_inner=64, vocab_size=40, n_positions=12, tie_word_embeddings=True)),
    "gpt_neox": ("GPTNeoXForCausalLM", MODEL_ARCH.GPTNEOX, dict(SIZES, rotary_pct=0.5, use_parallel_residual=False, tie_word_embeddings=False)),
}


def weights(model):
    """Numbers that fp16 holds exactly, and of norms also one more than them."""
    state = {}
    for name, value in model.state_dict().items():
        if name.endswith((".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", "inv_freq")):
            continue
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        state[name] = (np.round(random.standard_normal(value.shape) * 64) / 256).astype(np.float16)
    return state


def permuted(w, heads):
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def in_ggml_layout(name, w, kind, config):
    if kind == "llama" and "q_proj" in name:
        return permuted(w, config.num_attention_heads)
    if kind == "llama" and "k_proj" in name:
        return permuted(w, config.num_key_value_heads)
    if kind in ("gemma2", "gemma3") and name.endswith("norm.weight"):
        return w.astype(np.float32) + 1
    if kind == "gpt2" and name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")):
        return w.T
    if kind == "gpt_neox" and "query_key_value" in name:
        each = w.reshape(config.num_attention_heads, 3, -1, *w.shape[1:])
        return np.concatenate([each[:, i].reshape(-1, *w.shape[1:]) for i in range(3)])
    return w


def add_config(writer, kind, c):
    if kind == "gpt2":
        writer.add_block_count(c.n_layer)
        writer.add_context_length(c.n_positions)
        writer.add_embedding_length(c.n_embd)
        writer.add_feed_forward_length(c.n_inner)
        writer.add_head_count(c.n_head)
        writer.add_layer_norm_eps(c.layer_norm_epsilon)
        return
    writer.add_block_count(c.num_hidden_layers)
    writer.add_context_length(c.max_position_embeddings)
    writer.add_embedding_length(c.hidden_size)
    writer.add_feed_forward_length(c.intermediate_size)
    writer.add_head_count(c.num_attention_heads)
    if kind == "gpt_neox":
        writer.add_rope_dimension_count(int(c.rotary_pct * (c.hidden_size // c.num_attention_heads)))
        writer.add_parallel_residual(c.use_parallel_residual)
        writer.add_layer_norm_eps(c.layer_norm_eps)
        return
    writer.add_head_count_kv(c.num_key_value_heads)
    writer.add_layer_norm_rms_eps(c.rms_norm_eps)
    writer.add_vocab_size(c.vocab_size)
    if kind == "gemma2":
        writer.add_key_length(c.head_dim)
        writer.add_value_length(c.head_dim)
        writer.add_attn_logit_softcapping(c.attn_logit_softcapping)
        writer.add_final_logit_softcapping(c.final_logit_softcapping)
        writer.add_sliding_window(c.sliding_window)
        return
    if kind == "gemma3":
        writer.add_sliding_window(c.sliding_window)
    writer.add_rope_freq_base(getattr(c, "rope_theta", None) or c.rope_parameters["full_attention"]["rope_theta"])
    if kind in ("qwen3", "gemma3"):
        writer.add_key_length(c.head_dim)
        writer.add_value_length(c.head_dim)
    if kind == "llama":
        writer.add_rope_dimension_count(c.hidden_size // c.num_attention_heads)


def llama3_factors(c):
    dim, rule = c.hidden_size // c.num_attention_heads, c.rope_scaling
    factors = []
    for i in range(0, dim, 2):
        wavelength = 2 * math.pi * c.rope_theta ** (i / dim)
        if wavelength < rule["original_max_position_embeddings"] / rule["high_freq_factor"]:
            factors.append(1)
        elif wavelength > rule["original_max_position_embeddings"] / rule["low_freq_factor"]:
            factors.append(rule["factor"])
        else:
            smooth = (rule["original_max_position_embeddings"] / wavelength - rule["low_freq_factor"]) / (rule["high_freq_factor"] - rule["low_freq_factor"])
            factors.append(1 / ((1 - smooth) / rule["factor"] + smooth))
    return np.array(factors, dtype=np.float32)


def make_model(kind):
    architecture, arch, options = MODELS[kind]
    model_class = getattr(transformers, architecture)
    config = model_class.config_class(**options)
    config.architectures = [architecture]
    model = model_class(config)
    state = weights(model)
    folder = OUT / kind
    folder.mkdir(exist_ok=True)
    save_file(state, folder / "model.safetensors")
    config.to_json_file(folder / "config.json")

    file = OUT / f"{kind}.gguf"
    writer = GGUFWriter(file, {"gpt_neox": "gptneox"}.get(kind, kind))
    add_config(writer, kind, config)
    writer.add_file_type(1)
    names = get_tensor_name_map(arch, 2)
    if kind == "llama":
        writer.add_tensor("rope_freqs.weight", llama3_factors(config))
    for name, w in state.items():
        stem, suffix = name.rsplit(".", 1)
        w = in_ggml_layout(name, w, kind, config)
        w = np.ascontiguousarray(w if w.ndim == 2 else w.astype(np.float32))
        writer.add_tensor(f"{names.get_name(stem)}.{suffix}", w)
    close(writer)
    if kind in ("gpt_neox", "qwen3"):
        return  # transformers does not read them
    back = model_class.from_pretrained(OUT, gguf_file=file.name, config=config).state_dict()
    for name, w in state.items():
        assert np.array_equal(back[name].numpy(), w.astype(np.float32)), name


# --- tokenizers ------------------------------------------------------------------------------------------------------
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


def kinds_of(data, sentencepiece):
    """The texts and kinds of all tokens, as llama.cpp's conversion lists them."""
    vocab = dict(data["model"]["vocab"])
    for added in data["added_tokens"]:
        vocab.setdefault(added["content"], added["id"])
    by_id = {i: t for t, i in vocab.items()}
    texts, kinds = [], []
    special = {a["id"]: a["special"] for a in data["added_tokens"]}
    for i in range(max(by_id) + 1):
        texts.append(by_id.get(i, f"[PAD{i}]"))
        kind = NORMAL if i in by_id else UNUSED
        if i in special:
            kind = CONTROL if special[i] else USER_DEFINED
        if sentencepiece and texts[i] == "<unk>":
            kind = UNKNOWN
        if sentencepiece and len(texts[i]) == 6 and texts[i].startswith("<0x"):
            kind = BYTE
        kinds.append(kind)
    return texts, kinds


def rows(tokenizer, texts):
    found = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        decoded = [tokenizer.decode(ids, skip_special_tokens=skip) for skip in (False, True)]
        found.append([ids, tokenizer.encode(text, add_special_tokens=False).ids] + [None if d == text else d for d in decoded])
    return found


def make_tokenizer(name, pre=None, begin=None):
    """Added tokens of GGUF files have no flags but their kind, so Hugging Face's has none here."""
    data = json.loads((DATA / "tokenizer" / f"{name}.json").read_text())
    for added in data["added_tokens"]:
        added.update(lstrip=False, rstrip=False, single_word=False, normalized=False)
    texts, kinds = kinds_of(data, pre is None)
    writer = GGUFWriter(OUT / f"tokenizer_{name}.gguf", "none")
    writer.add_tokenizer_model("llama" if pre is None else "gpt2")
    writer.add_token_list(texts)
    writer.add_token_types(kinds)
    if pre is None:
        scores = [0.0 if kind != NORMAL else -float(i) for i, kind in enumerate(kinds)]
        writer.add_token_scores(scores)
        writer.add_unk_token_id(texts.index("<unk>"))
        # Every way to cut a piece in two is a merge, as in conversions of SentencePiece's models.
        pieces = {t: s for t, s, kind in zip(texts, scores, kinds) if kind == NORMAL}
        data["model"]["merges"] = [list(m) for m in generate_merges(pieces, {t: s for t, s in zip(texts, scores)})]
    else:
        writer.add_tokenizer_pre(pre)
        writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in data["model"]["merges"]])
    if begin:
        writer.add_bos_token_id(texts.index(begin))
    close(writer)
    tokenizer = Tokenizer.from_str(json.dumps(data))
    found = rows(tokenizer, json.loads((DATA / "tokenizer" / "texts.json").read_text()))
    lines = ",\n".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in found)
    (OUT / f"tokenizer_{name}.expected.json").write_text("[\n" + lines + "\n]\n", encoding="utf-8")


# --- a file to damage ------------------------------------------------------------------------------------------------
def make_damage():
    """A model of one layer with a tokenizer, tensors of every type, and values of every type."""
    writer = GGUFWriter(OUT / "damage.gguf", "llama")
    writer.add_block_count(1)
    writer.add_context_length(8)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(32)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_rope_dimension_count(8)
    writer.add_layer_norm_rms_eps(1e-5)
    for name in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"):
        getattr(writer, f"add_{name}")(f"other.{name}", 3)
    writer.add_array("other.numbers", [1, 2, 3])
    writer.add_array("other.deep", [[1, 2], [3]])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(["<s>", "a", "b", "c", "ab", "abc"])
    writer.add_token_types([CONTROL] + [NORMAL] * 5)
    writer.add_token_merges(["a b", "ab c"])
    writer.add_bos_token_id(0)
    writer.add_add_bos_token(True)
    for name, out, kind in (
        ("token_embd", 6, Type.Q8_0), ("blk.0.attn_q", 32, Type.Q4_0), ("blk.0.attn_k", 16, Type.Q4_1), ("blk.0.attn_v", 16, Type.Q8_0),
        ("blk.0.attn_output", 32, Type.Q8_0), ("blk.0.ffn_gate", 32, Type.Q4_0), ("blk.0.ffn_up", 32, Type.Q4_1), ("blk.0.ffn_down", 32, Type.Q8_0),
    ):  # fmt: skip
        writer.add_tensor(f"{name}.weight", blocks(kind, out), raw_dtype=kind)
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(32, dtype=np.float32))
    close(writer)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    make_blocks("blocks", (Type.Q4_0, Type.Q4_1, Type.Q8_0, Type.Q4_K, Type.Q6_K), with_floats=True)
    for kind in MODELS:
        if kind != "gemma3":
            make_model(kind)
    make_tokenizer("gpt2", "gpt-2")
    make_tokenizer("smollm2", "smollm")
    make_tokenizer("qwen2", "qwen2")
    make_tokenizer("llama3", "llama-bpe", begin="<s>")
    make_tokenizer("llama2", begin="<s>")
    make_damage()
    global random
    random = np.random.default_rng(8)  # so that these can be made alone
    make_model("gemma3")
    make_blocks("more_blocks", (Type.Q5_0, Type.Q5_1, Type.Q2_K, Type.Q3_K, Type.Q5_K))


main()
