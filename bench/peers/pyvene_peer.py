"""pyvene, one call per head, given source_representations (by default it would run the source prompts again each time)."""
import pyvene as pv
import torch

from work import LENGTH, Work, capture_z, model_of, named

work = Work()
model = model_of(work.folder)
last = LENGTH - 1


def arguments(tokens):
    return {"input_ids": tokens, "use_cache": False, "logits_to_keep": 1}


def intervenable(component, unit, layers):
    return pv.IntervenableModel([{"layer": l, "component": component, "unit": unit,
                                  "intervention_type": pv.VanillaIntervention} for l in layers], model=model)


(x, s, answers), = work.batches("z")
source = capture_z(model, s)


def z_patched(heads):
    found = []
    for l, h in heads:
        one = intervenable("head_attention_value_output", "h.pos", [l])
        where = [[[[h]] * len(x), [[last]] * len(x)]]
        given = source[l][:, -1, work.head(h)].reshape(len(x), 1, 1, work.d_head)
        _, out = one(arguments(x), unit_locations={"sources->base": (where, where)},
                     source_representations={one.sorted_keys[0]: given})
        found.append(work.probe(out.logits[:, -1], answers))
    return torch.stack(found)


work.measure("z", "pyvene", "source_representations, last logits", z_patched, version=named("pyvene"))

batches = work.batches("paths")
caches = [(capture_z(model, x), capture_z(model, s)) for x, s, _ in batches]
every = intervenable("attention_value_output", "pos", range(work.layers))


def paths(heads):
    found = []
    for l0, h0 in heads:
        parts = []
        for (x, _, answers), (clean, noise) in zip(batches, caches):
            given = {key: clean[l][:, -1:].clone() for l, key in enumerate(every.sorted_keys)}
            given[every.sorted_keys[l0]][..., work.head(h0)] = noise[l0][:, -1:, work.head(h0)]
            _, out = every(arguments(x), unit_locations={"sources->base": (last, last)}, source_representations=given)
            parts.append(work.probe(out.logits[:, -1], answers))
        found.append(torch.cat(parts))
    return torch.stack(found)


work.measure("paths", "pyvene", "30 interventions, source_representations, last logits", paths, version=named("pyvene"))
