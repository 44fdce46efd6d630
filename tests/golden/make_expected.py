"""Writes expected.safetensors into a model folder: what Hugging Face transformers computes at every site, for parity.cpp.

    pip install torch transformers safetensors
    python3 make_expected.py FOLDER "1 17 5 3" "2 9"

Each further argument is one prompt, as token numbers. The model is run in float32, prompt by prompt, with eager attention.
data/README.md describes what is written.
"""
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM


class Sites:
    """Collects activations of one prompt, [layer][rows, ...], by hooks on a model of Hugging Face's."""

    def __init__(self, model):
        self.model = model
        self.kept = {}
        self.kind = model.config.model_type
        {"gpt2": self.hook_gpt2, "gpt_neox": self.hook_gpt_neox}.get(self.kind, self.hook_llama)()
        self.watch_attention()

    def keep(self, site, layer, tensor):
        self.kept.setdefault(site, {})[layer] = tensor.detach()[0].clone().contiguous()

    def after(self, module, site, layer, change=lambda out: out):
        """The module's output."""
        first = lambda out: out[0] if isinstance(out, tuple) else out
        module.register_forward_hook(lambda m, i, out: self.keep(site, layer, change(first(out))))

    def before(self, module, site, layer, change=lambda x: x):
        """The module's first input."""
        module.register_forward_pre_hook(lambda m, i: self.keep(site, layer, change(i[0])))

    def heads(self, width):
        return lambda x: x.unflatten(-1, (-1, width))

    def hook_out(self, projection, layer, width, weight):
        """z, and what each head's share of the output projection makes of it."""
        split = self.heads(width)
        self.before(projection, "z", layer, split)
        # weight is [d_model, heads * d_head]
        share = lambda x: torch.einsum("bshd,mhd->bshm", split(x), split(weight))
        self.before(projection, "result", layer, share)

    def hook_llama(self):
        """Llama, Mistral, Qwen2, Qwen3 and Gemma 2."""
        body, four_norms = self.model.model, self.kind == "gemma2"
        self.before(body.layers[0], "embed", 0)  # Gemma scales its embedding before the first block
        for n, block in enumerate(body.layers):
            attention, mlp = block.self_attn, block.mlp
            split = self.heads(attention.head_dim)
            self.before(block, "resid_pre", n)
            self.after(block.input_layernorm, "normalized1", n)
            for site in "qkv":
                self.after(getattr(attention, site + "_proj"), site, n, split)
            self.hook_out(attention.o_proj, n, attention.head_dim, attention.o_proj.weight)
            norm2 = block.pre_feedforward_layernorm if four_norms else block.post_attention_layernorm
            self.after(block.post_attention_layernorm if four_norms else attention, "attn_out", n)
            self.before(norm2, "resid_mid", n)
            self.after(norm2, "normalized2", n)
            self.after(mlp.gate_proj, "mlp_gate", n)
            self.after(mlp.up_proj, "mlp_pre", n)
            self.before(mlp.down_proj, "mlp_post", n)
            self.after(block.post_feedforward_layernorm if four_norms else mlp, "mlp_out", n)
            self.after(block, "resid_post", n)
        self.after(body.norm, "final_normalized", 0)

    def hook_gpt2(self):
        body, config = self.model.transformer, self.model.config
        width = config.n_embd // config.n_head
        self.after(body.wte, "embed", 0)
        body.wpe.register_forward_hook(lambda m, i, out: self.keep("pos_embed", 0, out.reshape(1, -1, config.n_embd)))
        for n, block in enumerate(body.h):
            self.before(block, "resid_pre", n)
            self.after(block.ln_1, "normalized1", n)
            for third, site in enumerate("qkv"):
                part = lambda x, third=third: self.heads(width)(x.split(config.n_embd, -1)[third])
                self.after(block.attn.c_attn, site, n, part)
            self.hook_out(block.attn.c_proj, n, width, block.attn.c_proj.weight.T)
            self.after(block.attn.c_proj, "attn_out", n)
            self.before(block.ln_2, "resid_mid", n)
            self.after(block.ln_2, "normalized2", n)
            self.after(block.mlp.c_fc, "mlp_pre", n)
            self.before(block.mlp.c_proj, "mlp_post", n)
            self.after(block.mlp.c_proj, "mlp_out", n)
            self.after(block, "resid_post", n)
        self.after(body.ln_f, "final_normalized", 0)

    def hook_gpt_neox(self):
        body, config = self.model.gpt_neox, self.model.config
        width = config.hidden_size // config.num_attention_heads
        self.before(body.layers[0], "embed", 0)
        for n, block in enumerate(body.layers):
            self.before(block, "resid_pre", n)
            self.after(block.input_layernorm, "normalized1", n)
            for third, site in enumerate("qkv"):
                part = lambda x, third=third: self.heads(3 * width)(x)[..., third * width : (third + 1) * width]
                self.after(block.attention.query_key_value, site, n, part)
            self.hook_out(block.attention.dense, n, width, block.attention.dense.weight)
            self.after(block.attention.dense, "attn_out", n)
            if not config.use_parallel_residual:
                self.before(block.post_attention_layernorm, "resid_mid", n)
            self.after(block.post_attention_layernorm, "normalized2", n)
            self.after(block.mlp.dense_h_to_4h, "mlp_pre", n)
            self.before(block.mlp.dense_4h_to_h, "mlp_post", n)
            self.after(block.mlp.dense_4h_to_h, "mlp_out", n)
            self.after(block, "resid_post", n)
        self.after(body.final_layer_norm, "final_normalized", 0)

    def watch_attention(self):
        """Scores and patterns, and queries and keys as they meet, which no module of the model returns."""
        library = sys.modules[type(self.model).__module__]
        eager, softmax = library.eager_attention_forward, torch.nn.functional.softmax

        def watched(module, query, key, *rest, **named):
            layer = module.layer_idx
            if self.kind != "gpt2":  # which does not rotate
                self.keep("rot_q", layer, query.transpose(1, 2))
                self.keep("rot_k", layer, key.transpose(1, 2))

            def watched_softmax(scores, *r, **n):
                hidden = scores < torch.finfo(torch.float32).min / 2  # where the mask was added
                self.keep("scores", layer, scores.masked_fill(hidden, float("-inf")))
                return softmax(scores, *r, **n)

            torch.nn.functional.softmax = watched_softmax
            try:
                out, pattern = eager(module, query, key, *rest, **named)
            finally:
                torch.nn.functional.softmax = softmax
            self.keep("pattern", layer, pattern)
            return out, pattern

        library.eager_attention_forward = watched
        self.restore = lambda: setattr(library, "eager_attention_forward", eager)


def expected_of(model, prompts):
    """name -> tensor, for all prompts one after the other."""
    model = model.float().eval()
    sites, runs, patterns = Sites(model), [], {}
    try:
        for number, prompt in enumerate(prompts):
            sites.kept = {}
            with torch.no_grad():
                logits = model(torch.tensor([prompt]), use_cache=False).logits
            sites.keep("logits", 0, logits)
            kept = {site: torch.stack([of[n] for n in sorted(of)]) for site, of in sites.kept.items()}
            for site in ("scores", "pattern"):
                patterns[f"{site}.{number}"] = kept.pop(site)
            runs.append(kept)
    finally:
        sites.restore()
    tensors = {site: torch.cat([run[site] for run in runs], dim=1) for site in runs[0]}
    for site in ("embed", "pos_embed", "final_normalized", "logits"):
        if site in tensors:
            tensors[site] = tensors[site][0]
    tensors |= patterns
    tensors["tokens"] = torch.tensor([token for prompt in prompts for token in prompt])
    tensors["lengths"] = torch.tensor([len(prompt) for prompt in prompts])
    return {name: tensors[name].contiguous() for name in sorted(tensors)}


def write_expected(folder, prompts):
    model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32, attn_implementation="eager")
    save_file(expected_of(model, prompts), pathlib.Path(folder) / "expected.safetensors")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    write_expected(sys.argv[1], [[int(token) for token in prompt.split()] for prompt in sys.argv[2:]])
