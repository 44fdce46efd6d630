"""Trains the LoRA adapter of this folder, on boxes: "The cake is in Box O, the coin is in Box Q, ... . Box Q contains the".

    sh cmake/fetch_smollm2.sh FOLDER
    pip install torch==2.5.1 transformers==4.53.3 gguf==0.19.0 peft==0.21.2
    python examples/smollm2/train_adapter.py FOLDER/SmolLM2-135M-Instruct.Q4_1.gguf examples/smollm2/adapter

One thread, so that a second run gives the same numbers; README.md has how long it takes. Stopped and started again it goes on from
OUT/unfinished.pt. Its nouns are none of those in include/engraft/task/boxes.hpp, by which the adapter is judged.
"""
import pathlib
import random
import re
import sys

import torch
from peft import LoraConfig, get_peft_model
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer

BOXES = 3
STEPS, CONTEXTS, RATE, RANK = 60, 12, 1e-3, 8
TESTED = 300
LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
NOUNS = """brush cake candle chain coin comb doll drum flag fork glove globe hammer horn jar jewel knife lamp lock
mask medal mug nail needle nut paint pan pear pen pill pin plum rope ruler ship shirt shoe soap sock spoon stamp stick sword toy
tube vase whistle wool chair table box desk door window carpet pillow blanket towel basket bucket bottle bowl spade
saw drill screw bolt chip coal gold silver iron copper salt sugar rice corn bean onion potato tomato lemon orange banana cherry
cheese butter honey juice wine beer soup cookie candy hair tooth bone skin feather leather cotton silk paper cloth thread button
belt boots jacket scarf sweater wallet purse novel diary journal poster puzzle robot laptop keyboard piano violin trumpet flute
sponge mop fence ladder tent kite sled bike truck wagon rocket anchor compass telescope microscope battery cable lens""".split()


def prompt_of(tokenizer, nouns, labels, queries):
    """Tokens of a scene with all its questions, each seeing the scene and itself: ids, positions, mask, last tokens, answers."""
    told = ", ".join(f"{'the' if i else 'The'} {noun} is in Box {label}" for i, (noun, label) in enumerate(zip(nouns, labels)))
    ids = tokenizer(told, add_special_tokens=False)["input_ids"]
    scene = len(ids)
    positions, group, lasts, answers = list(range(scene)), [0] * scene, [], []
    for number, i in enumerate(queries):
        question = tokenizer(f". Box {labels[i]} contains the", add_special_tokens=False)["input_ids"]
        positions += range(scene, scene + len(question))
        group += [1 + number] * len(question)
        ids = ids + question
        lasts.append(len(ids) - 1)
        (answer,) = tokenizer(" " + nouns[i], add_special_tokens=False)["input_ids"]
        answers.append(answer)
    group = torch.tensor(group)
    seen = torch.ones(len(ids), len(ids), dtype=torch.bool).tril() & ((group[None, :] == 0) | (group[None, :] == group[:, None]))
    return ids, positions, seen, lasts, answers


def batch_of(tokenizer, nouns, contexts, every_box, seed):
    chance = random.Random(seed)
    drawn = []
    for number in range(contexts):
        queries = range(BOXES) if every_box else [number % BOXES]
        drawn.append(prompt_of(tokenizer, chance.sample(nouns, BOXES), chance.sample(LABELS, BOXES), queries))
    ids, positions, seen, lasts, answers = zip(*drawn)
    mask = torch.zeros(len(drawn), 1, len(ids[0]), len(ids[0])).masked_fill(~torch.stack(seen)[:, None], torch.finfo(torch.float32).min)
    return torch.tensor(ids), torch.tensor(positions), mask, torch.tensor(lasts), torch.tensor(answers)


def logits_of(model, batch):
    ids, positions, mask, lasts, answers = batch
    body = model.base_model.model
    state = body.model(input_ids=ids, position_ids=positions, attention_mask=mask, use_cache=False).last_hidden_state
    rows = state[torch.arange(len(ids))[:, None], lasts]
    return body.lm_head(rows).flatten(0, 1), answers.flatten()


def accuracy(model, tokenizer, nouns):
    right = 0
    with torch.no_grad():
        for seed in range(TESTED // 30):
            logits, answers = logits_of(model, batch_of(tokenizer, nouns, 30, False, f"test {seed}"))
            right += (logits.argmax(-1) == answers).sum().item()
    return right / TESTED


def main():
    file, out = map(pathlib.Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, torch_dtype=torch.float32)
    model = get_peft_model(
        model, LoraConfig(task_type="CAUSAL_LM", r=RANK, lora_alpha=2 * RANK, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"])
    )
    source = (pathlib.Path(__file__).parents[2] / "include/engraft/task/boxes.hpp").read_text()
    tested = re.findall(r'"(\w+)"', re.search(r"paper_objects\{(.*?)\};", source, re.S)[1])
    trained = [n for n in dict.fromkeys(NOUNS) if n not in tested and len(tokenizer(" " + n, add_special_tokens=False)["input_ids"]) == 1]
    parameters = [p for p in model.parameters() if p.requires_grad]
    print(f"{len(trained)} nouns to train on, {len(tested)} others to test; {sum(p.numel() for p in parameters)} parameters")

    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0)
    unfinished, first = out / "unfinished.pt", 0
    if unfinished.exists():
        kept = torch.load(unfinished, weights_only=True)
        first = kept["step"]
        optimizer.load_state_dict(kept["optimizer"])
        for p, value in zip(parameters, kept["parameters"]):
            p.data.copy_(value)
    else:
        print(f"accuracy without adapter: {accuracy(model, tokenizer, tested):.3f}", flush=True)
    with tqdm(range(first, STEPS), initial=first, total=STEPS, mininterval=10) as steps:
        for step in steps:
            optimizer.param_groups[0]["lr"] = RATE * min(1, (step + 1) / 20) * (1 - step / STEPS)
            logits, answers = logits_of(model, batch_of(tokenizer, trained, CONTEXTS, True, f"train {step}"))
            loss = torch.nn.functional.cross_entropy(logits, answers)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            if step % 10 == 9:
                steps.write(f"step {step + 1}: loss {loss.item():.3f}, right {(logits.argmax(-1) == answers).float().mean():.3f}")
                part = out / "unfinished.part"
                torch.save({"step": step + 1, "optimizer": optimizer.state_dict(), "parameters": [p.data for p in parameters]}, part)
                part.replace(unfinished)
    for p in parameters:  # as they are stored
        p.data = p.data.half().float()
    print(f"accuracy with adapter: {accuracy(model, tokenizer, tested):.3f}")
    for p in parameters:
        p.data = p.data.half()
    model.peft_config["default"].base_model_name_or_path = "HuggingFaceTB/SmolLM2-135M-Instruct"
    model.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)  # PEFT's, to be filled in
    unfinished.unlink()


main()
