"""TransformerLens 3's HookedTransformer, which computes the logits of all positions. Path patching with frozen heads is
not in the library; it is written with its hooks, as its users do."""
import json

import pandas
import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig, loading_from_pretrained, patching

from work import Work, model_of, named, tokenizer_of

work = Work()


def make_model():
    """SmolLM2 is not in HookedTransformer's table of names and a folder is not accepted: the config is given by hand."""
    c = json.loads((work.folder / "config.json").read_text())
    theta = c.get("rope_theta") or c["rope_parameters"]["rope_theta"]  # transformers 4 or 5
    config = HookedTransformerConfig(
        n_layers=work.layers, d_model=c["hidden_size"], n_ctx=512, d_head=work.d_head, n_heads=work.heads,
        n_key_value_heads=work.kv_heads, d_mlp=c["intermediate_size"], d_vocab=c["vocab_size"], act_fn="silu",
        normalization_type="RMS", positional_embedding_type="rotary", rotary_adjacent_pairs=False, rotary_dim=work.d_head,
        rotary_base=int(theta), gated_mlp=True, eps=c["rms_norm_eps"], final_rms=True, device="cpu",
        original_architecture="LlamaForCausalLM", default_prepend_bos=False)
    model = HookedTransformer(config, tokenizer=tokenizer_of(work.folder))
    weights = loading_from_pretrained.convert_llama_weights(model_of(work.folder), config)
    model.load_and_process_state_dict(weights, fold_ln=False, center_writing_weights=False, center_unembed=False,
                                      fold_value_biases=False)
    return model.eval()


model = make_model()
torch.set_grad_enabled(False)
site = lambda l: f"blocks.{l}.attn.hook_z"


def capture(tokens):
    return model.run_with_cache(tokens, names_filter=lambda name: name.endswith("attn.hook_z"))[1]


(x, s, answers), = work.batches("z")
source = capture(s)


def set_head(z, index, cache):
    z = z.clone()
    z[:, -1, index[1]] = cache[:, -1, index[1]]
    return z


def z_patched(heads):
    found = []

    def metric(logits):
        found.append(work.probe(logits[:, -1], answers))
        return found[-1][:, 0].mean()
    patching.generic_activation_patch(model, x, source, metric, set_head, "z",
                                      index_df=pandas.DataFrame(heads, columns=["layer", "head"]))
    return torch.stack(found)


work.measure("z", "TransformerLens", "generic_activation_patch, all logits", z_patched, version=named("transformer-lens"))

batches = work.batches("paths")
caches = [(capture(x), capture(s)) for x, s, _ in batches]


def paths(heads):
    found = []
    for l0, h0 in heads:
        parts = []
        for (x, _, answers), (clean, noise) in zip(batches, caches):
            def freeze(z, hook):
                z = z.clone()
                z[:, -1] = clean[hook.name][:, -1]
                if hook.layer() == l0:
                    z[:, -1, h0] = noise[hook.name][:, -1, h0]
                return z
            logits = model.run_with_hooks(x, fwd_hooks=[(site(l), freeze) for l in range(work.layers)])
            parts.append(work.probe(logits[:, -1], answers))
        found.append(torch.cat(parts))
    return torch.stack(found)


work.measure("paths", "TransformerLens", "run_with_hooks, all logits", paths, version=named("transformer-lens"))
