"""Hugging Face and PyTorch forward hooks, one forward pass per head: what most papers' code does, without logits and a
cache that nobody reads."""
import torch

from work import Work, capture_z, model_of, named

work = Work()
model = model_of(work.folder)
projections = [layer.self_attn.o_proj for layer in model.model.layers]  # their input is z
pytorch = named("torch")


def forward(tokens, hooks={}):
    """The last position's logits, while hooks[layer](z) replaces z."""
    handles = [projections[l].register_forward_pre_hook(lambda _, z, f=f: (f(z[0]),)) for l, f in hooks.items()]
    logits = model(tokens, logits_to_keep=1, use_cache=False).logits[:, -1]
    for handle in handles:
        handle.remove()
    return logits


(x, _, answers), = work.batches("forward")
work.measure("forward", "Hugging Face", "last logits, sdpa", lambda _: work.probe(forward(x), answers)[None],
             repeats=work.repeats, version=f"{named('transformers')}, {pytorch}")

(x, s, answers), = work.batches("z")
source = capture_z(model, s)


def z_patched(heads):
    found = []
    for l, h in heads:
        def patch(z):
            z = z.clone()
            z[:, -1, work.head(h)] = source[l][:, -1, work.head(h)]
            return z
        found.append(work.probe(forward(x, {l: patch}), answers))
    return torch.stack(found)


work.measure("z", "PyTorch hooks", "one forward per head, last logits", z_patched, version=pytorch,
             clean=work.probe(forward(x), answers).tolist())

batches = work.batches("paths")
caches = [(capture_z(model, x), capture_z(model, s)) for x, s, _ in batches]


def paths(heads):
    found = []
    for l0, h0 in heads:
        parts = []
        for (x, _, answers), (clean, source) in zip(batches, caches):
            def freeze(l):
                def hook(z):
                    z = z.clone()
                    z[:, -1] = clean[l][:, -1]
                    if l == l0:
                        z[:, -1, work.head(h0)] = source[l][:, -1, work.head(h0)]
                    return z
                return hook
            parts.append(work.probe(forward(x, {l: freeze(l) for l in range(work.layers)}), answers))
        found.append(torch.cat(parts))
    return torch.stack(found)


work.measure("paths", "PyTorch hooks", "one forward per head, last logits", paths, version=pytorch,
             clean=torch.cat([work.probe(forward(x), a) for x, _, a in batches]).tolist())
