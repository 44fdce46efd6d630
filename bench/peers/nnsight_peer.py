"""nnsight, one trace per head."""
import nnsight
import torch

from work import Work, model_of, named, tokenizer_of

work = Work()
model = nnsight.LanguageModel(model_of(work.folder), tokenizer=tokenizer_of(work.folder))
layers = model.model.layers
last = {"logits_to_keep": 1, "use_cache": False}


def capture(tokens):
    with model.trace(tokens, **last):
        z = nnsight.save([layers[l].self_attn.o_proj.input for l in range(work.layers)])
    return z


(x, s, answers), = work.batches("z")
source = capture(s)


def z_patched(heads):
    found = []
    for l, h in heads:
        at = work.head(h)
        with model.trace(x, **last):
            layers[l].self_attn.o_proj.input[:, -1, at] = source[l][:, -1, at]
            logits = model.lm_head.output[:, -1].save()
        found.append(work.probe(logits, answers))
    return torch.stack(found)


work.measure("z", "nnsight", "one trace per head, last logits", z_patched, version=named("nnsight"))

batches = work.batches("paths")
caches = [(capture(x), capture(s)) for x, s, _ in batches]


def paths(heads):
    found = []
    for l0, h0 in heads:
        at = work.head(h0)
        parts = []
        for (prompts, _, right), (clean, noise) in zip(batches, caches):
            with model.trace(prompts, **last):
                for l in range(work.layers):
                    z = layers[l].self_attn.o_proj.input
                    z[:, -1] = clean[l][:, -1]
                    if l == l0:
                        z[:, -1, at] = noise[l][:, -1, at]
                logits = model.lm_head.output[:, -1].save()
            parts.append(work.probe(logits, right))
        found.append(torch.cat(parts))
    return torch.stack(found)


work.measure("paths", "nnsight", "one trace per head and batch, last logits", paths, version=named("nnsight"))
