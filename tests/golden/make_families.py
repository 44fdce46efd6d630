"""Writes the folders of data/ that FAMILIES names: tiny models with weights at random, and what Hugging Face makes of them.

    pip install torch==2.5.1 transformers==4.53.3 safetensors==0.8.0
    python3 tests/golden/make_families.py [OTHER_FOLDER]

Every gain, bias and matrix is random, so that none of them can be left out unnoticed. Two runs write the same bytes.
"""
import pathlib
import sys

import torch
import transformers as hf

from make_expected import write_expected

SIZES = dict(hidden_size=16, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, intermediate_size=20)
LLAMA3 = dict(
    rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64
)

FAMILIES = {
    # the window is shorter than the prompts
    "mistral": hf.MistralConfig(
        **SIZES, vocab_size=43, head_dim=6, sliding_window=4, rope_theta=1000.0, rms_norm_eps=1e-5
    ),
    # norms of queries and keys; heads are wider together than the stream
    "qwen3": hf.Qwen3Config(**SIZES, vocab_size=41, head_dim=6, rope_theta=1e6, tie_word_embeddings=True),
    # four norms, both soft caps where they matter, windows in layers 0 and 2, a scale that is not the head's width, and
    # sqrt(18), which no number of fp32 is
    "gemma2": hf.Gemma2Config(
        **SIZES | dict(hidden_size=18),
        vocab_size=37,
        head_dim=6,
        sliding_window=4,
        query_pre_attn_scalar=10,
        attn_logit_softcapping=3.0,
        final_logit_softcapping=5.0,
    ),
    # untied, unlike llama_gqa, and with every bias that a config can switch on
    "llama3_untied": hf.LlamaConfig(
        **SIZES,
        vocab_size=47,
        head_dim=6,
        rope_theta=500.0,
        rope_scaling=LLAMA3,
        max_position_embeddings=512,
        rms_norm_eps=1e-5,
        attention_bias=True,
        mlp_bias=True,
    ),
    "gpt_neox_sequential": hf.GPTNeoXConfig(
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=20,
        vocab_size=39,
        rotary_pct=0.5,
        rotary_emb_base=500,
        use_parallel_residual=False,
    ),
}

LENGTHS = (11, 1, 7)


def fill(model, random):
    """Random numbers of the sizes that trained models have; gains around where they do nothing."""
    plus_one = model.config.model_type == "gemma2"  # its gains are stored less one
    for name, parameter in sorted(model.named_parameters()):
        values = torch.randn(parameter.shape, generator=random, dtype=torch.float32)
        if name.endswith("bias"):
            values = 0.3 * values
        elif parameter.dim() == 1:
            values = 0.3 * values + (0 if plus_one else 1)
        elif "embed" not in name:
            values = 1.5 * values / parameter.shape[1] ** 0.5
        with torch.no_grad():
            parameter.copy_(values)


def make(name, config, out):
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    random = torch.Generator().manual_seed(len(name) * 1000 + config.vocab_size)
    model = hf.AutoModelForCausalLM.from_config(config, attn_implementation="eager").float()
    fill(model, random)
    model.save_pretrained(folder, safe_serialization=True)
    (folder / "generation_config.json").unlink(missing_ok=True)
    prompts = [torch.randint(config.vocab_size, (n,), generator=random).tolist() for n in LENGTHS]
    write_expected(folder, prompts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name, config in FAMILIES.items():
        make(name, config, pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "data")
