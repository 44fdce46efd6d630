"""What somebody who knows the model writes in PyTorch for these two sweeps, and for no other: only the last position runs,
many heads as one batch. All heads are run."""
import copy

import torch
from transformers import DynamicCache

from work import Work, capture_z, model_of, named

GROUP = 27  # heads of one forward pass

work = Work()
model = model_of(work.folder)
layers = model.model.layers

(x, s, answers), = work.batches("z")
source = capture_z(model, s)
prefix = DynamicCache(config=model.config)  # keys and values of all positions but the last
model(x[:, :-1], past_key_values=prefix, use_cache=True, logits_to_keep=1)


def z_patched(heads):
    n, found = len(x), []
    for first in range(0, len(heads), GROUP):
        group = heads[first:first + GROUP]
        cases = len(group)
        cache = copy.deepcopy(prefix)
        cache.batch_repeat_interleave(cases)  # [prompt, head]

        def patch(l):
            def hook(_, inputs):
                z = inputs[0].reshape(n, cases, -1).clone()
                for i, (layer, h) in enumerate(group):
                    if layer == l:
                        z[:, i, work.head(h)] = source[l][:, -1, work.head(h)]
                return (z.reshape(n * cases, 1, -1),)
            return layers[l].self_attn.o_proj.register_forward_pre_hook(hook)
        handles = [patch(l) for l in {l for l, _ in group}]
        logits = model(x[:, -1:].repeat_interleave(cases, 0), past_key_values=cache, logits_to_keep=1).logits[:, -1]
        for handle in handles:
            handle.remove()
        found.append(work.probe(logits, answers.repeat_interleave(cases)).reshape(n, cases, -1).transpose(0, 1))
    return torch.cat(found)


work.measure("z", "PyTorch by an expert", f"shared keys and values, {GROUP} heads a forward", z_patched, work.all_heads,
             work.repeats, version=named("torch"))

n = work.prompts["paths"]
x, answers = work.clean[:n], work.answers[:n]
halves = [(capture_z(model, x), capture_z(model, s)) for x, s, _ in work.batches("paths")]
clean, noise = ({l: torch.cat([h[i][l][:, -1] for h in halves]) for l in range(work.layers)} for i in (0, 1))


def paths(heads):
    """With all other heads frozen a sender reaches the MLPs of the last position only, from its layer on."""
    live, order = torch.empty(0, n, model.config.hidden_size), []
    residual = model.model.embed_tokens(x[:, -1])  # of the clean run
    for l, layer in enumerate(layers):
        weight = layer.self_attn.o_proj.weight
        attention = clean[l] @ weight.T
        residual = residual + attention
        here = [h for layer_of, h in heads if layer_of == l]
        order += [(l, h) for h in here]
        changes = [(noise[l] - clean[l])[:, work.head(h)] @ weight[:, work.head(h)].T for h in here]
        live = torch.cat([live + attention, *[(residual + change)[None] for change in changes]])
        mlp = lambda rows: rows + layer.mlp(layer.post_attention_layernorm(rows))
        live, residual = mlp(live), mlp(residual)
    assert order == list(heads)
    return torch.cat([work.probe(model.lm_head(model.model.norm(part.flatten(0, 1))), answers.repeat(len(part)))
                      .unflatten(0, (len(part), n)) for part in live.split(20)])


work.measure("paths", "PyTorch by an expert", "last position and MLPs only, heads joined", paths, work.all_heads,
             work.repeats, version=named("torch"))
