"""Writes tests/golden/data/tokenizer/: small tokenizers and what Hugging Face's `tokenizers` does with many texts.

    pip install tokenizers==0.23.3
    python3 tests/golden/make_tokenizer_fixture.py PAIR_TOKENIZER_JSON PAIR_PROMPTS_JSONL

Every tokenizer but the pair's is trained here, on the text below, so that all files are this project's own. texts.json holds the
texts; NAME.json a tokenizer; NAME.expected.json, for each text in order, [ids with special tokens, ids without, decoded, decoded
without special tokens], the last two null where they are the text itself. pair.expected.json has the ids of the pair's prompts too.
"""
import json
import pathlib
import random
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OUT = pathlib.Path(__file__).parent / "data" / "tokenizer"

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

CORPUS = """The apple is in Box A, the clock is in Box B, the coat is in Box C. Box A contains the apple.
We can't say what they've got; she'll see, I'm sure, and you'd better look: it's theirs, don't you think? We're here.
In 1984 there were 12,345 boxes, 678 of them red, 90 blue and 1000000 green; 3.14159 is not 22/7.
    def swap(a, b):\n        return b, a\n\n\nfor i in range(10):\n\tprint(swap(i, i + 1))\n
Der Fluß fließt über die Brücke; das Mädchen hört schöne Musik. L'été dernier, nous étions à la plage où le café coûte cher.
Привет, мир! Как дела? Всё хорошо. 你好，世界。今天天气很好。 こんにちは、世界。 안녕하세요 세계. مرحبا بالعالم. नमस्ते दुनिया। שלום עולם
Emoji: 😀 😀😀 🚀 👍🏽 👩‍👩‍👧 ❤️ and arrows → ⇒, sums ∑, maths 𝔸𝔹, quotes “so” ‘it’ is… done — really.
The quick brown fox jumps over the lazy dog. The model reads the box, the label, the object and the answer.
""".splitlines() * 4

HAND = """
Hello world|hello  world|   leading|trailing   | |  |   |a|.|A B C|don't|DON'T|I'm you're we've they'd she'll it's|IT'S WE'VE|'s|''s|'ſ
The apple is in Box A, the clock is in Box B.|12|123|1234|12345678|1 2 3|1,234.56|3.14159|x1y2z3|٣٤٥ arabic digits|Ⅷ roman|½ and ²|１２３ wide
naïve café|cafe\u0301|e\u0301\u0323|\u1e9b\u0323|\u212b|\uf900|\u1100\u1161\u11a8|\u1112\u1161\u11ab\u1100\u1173\u11af|각|\u0344|a\u0315\u0300\u05ae\u0062
Ångström|ﬁne|Straße|İstanbul|ǆ|ΑΒΓ αβγ ς|Привет, мир!|你好，世界。|今天天气很好|こんにちは、世界。|안녕하세요 세계|مرحبا بالعالم|नमस्ते दुनिया।|שלום|ไทย ภาษา
😀|😀😀|a😀b|🚀 to the moon|👍🏽|👩‍👩‍👧|❤️|🇩🇪🇫🇷|𝔸𝔹ℂ|→ ⇒ ∑|“so” ‘it’ is…|— dash|x—y|§ 5 ¶|©®™|€100|£5|100%|#tag @user|a_b_c|snake_case|camelCase|HTTPServer
\u00a0nbsp|a\u00a0b|\u2003em space|a\u3000b|\u200bzero|a\u200db|\u180e mongol|a\u180eb|\u0085next|a\u2028b|\ufeffbom|soft\u00adhyphen|tab\tx|\t\t|\x0b\x0c|\x1c|\x00nul|\x7f
\ufffd|\ue000 private|\U0010ffff last|\U000e0001|\ufdd0
<s>|</s>|<unk>|<s>hello</s>|a <s> b|x<unk>y|<s><s>|<s|s>|< s >|[MASK]|a [MASK] b|a[MASK]b|  [MASK]  |<pad>|word<pad>word|<pad> <pad>|[NORM]|a [NORM]b|keep|a keep b|keeper|keep.
▁|▁▁|a▁b|▁Hello|Ġ|aĠb|Ċ|<0x0A>|<0x41>|<0xZZ>
def f(x):\\n    return x\\n|if (a && b) { c(); }|x = {'a': 1, "b": [2, 3]}|\\n|\\n\\n|\\n\\n\\n|a\\nb|a\\n\\nb|a \\n b|a  \\n\\n  b| \\n |\\r\\n|a\\r\\nb\\r\\n|\\n \\n \\n| \\n\\n|end.\\n|end.\\n\\n|!!!\\n\\n|a\\t\\n
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa|abababababab|the the the the|thethethe|....|.....|?!?!|((()))|https://example.org/a?b=c&d=e#f|user@example.org|C:\\\\path\\\\file
"""


def texts():
    found = []
    for line in HAND.strip("\n").split("\n"):
        found += [t.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t").replace("\\\\", "\\") for t in line.split("|")]
    found += ["", "<|im_end|> x", "a<|im_end|>b", "x  <|im_end|>  y", " \t \n\n \t x", "a" * 200, " " * 70 + "x", "\n" * 40 + "x", "é" * 50]
    rng = random.Random(5)
    words = " ".join(CORPUS).split(" ")
    alphabet = list("aeiou tsnr'.,0123456789\n\t <>|_-ÄéßЖ中あ한😀\u0301\u00a0\u200d")
    for n in range(90):
        found.append(" ".join(rng.choice(words) for _ in range(rng.randint(1, 9))))
    for n in range(90):
        found.append("".join(rng.choice(alphabet) for _ in range(rng.randint(1, 24))))
    return list(dict.fromkeys(found))


def special(text, **flags):
    return AddedToken(text, special=True, normalized=False, **flags)


def bos(tokenizer, token="<s>", first=False):
    template = processors.TemplateProcessing(
        single=f"{token} $A", pair=f"{token} $A {token} $B", special_tokens=[(token, tokenizer.token_to_id(token))]
    )
    return processors.Sequence([processors.ByteLevel(trim_offsets=False), template]) if first else template


def byte_level(pre, size, **options):
    tokenizer = Tokenizer(models.BPE(**options))
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<s>", "</s>", "<unk>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def gpt2():
    tokenizer = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), 700)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    # every way of finding an added token
    tokenizer.add_special_tokens([special("[MASK]", lstrip=True), special("<|im_end|>", rstrip=True), special("<pad>", single_word=True)])
    tokenizer.add_tokens([AddedToken("keep", single_word=True), AddedToken("[NORM]", lstrip=True, rstrip=True), AddedToken("<pad> <pad>")])
    return tokenizer


def gpt2_prefix():
    return byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True), 600)


def llama3():
    pre = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer = byte_level(pre, 800, ignore_merges=True)
    # a whole word that no merge leads to: only ignore_merges finds it
    data = json.loads(tokenizer.to_str())
    data["model"]["vocab"]["Ġworld"] = max(data["model"]["vocab"].values()) + 1
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.post_processor = bos(tokenizer, first=True)
    return tokenizer


def qwen2():
    pre = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(QWEN2), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer = byte_level(pre, 750)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_tokens([AddedToken("Ångström", normalized=True), special("<|im_end|>")])
    return tokenizer


def smollm2():
    pre = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    return byte_level(pre, 650)


def splits():
    """No model's: every behavior of a split, one after the other."""
    pre = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\n+"), "removed"),
            pre_tokenizers.Split(",", "merged_with_previous"),
            pre_tokenizers.Split(" ", "merged_with_next"),
            pre_tokenizers.Split(Regex(r"[.!?…]"), "contiguous"),
            pre_tokenizers.Split(Regex(r"[^aeiou]+|x*"), "isolated", invert=True),
            pre_tokenizers.Digits(individual_digits=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return byte_level(pre, 500)


def sentencepiece_parts(size):
    """A vocabulary as SentencePiece makes it: <unk>, <s>, </s>, 256 bytes, then merged pieces and characters."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"] + bytes_, limit_alphabet=110, show_progress=False
    )
    tokenizer.train_from_iterator([t for t in CORPUS if "😀" not in t and "你" not in t], trainer)
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = data["added_tokens"][:3]
    for token in data["added_tokens"]:
        token["special"] = True
        token["normalized"] = False
    return data


def llama2():
    data = sentencepiece_parts(900)
    data["normalizer"] = {
        "type": "Sequence",
        "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}],
    }
    data["pre_tokenizer"] = None
    data["decoder"] = {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ],
    }
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.post_processor = bos(tokenizer)
    return tokenizer


def llama1():
    """The oldest conversions: special tokens are looked for in the normalized text, merges are texts, some bytes have no token."""
    data = json.loads(llama2().to_str())
    for token in data["added_tokens"]:
        token["normalized"] = True
    for byte in ("<0xF0>", "<0xE4>"):
        del data["model"]["vocab"][byte]
    data["model"]["fuse_unk"] = False
    data["model"]["merges"] = [" ".join(m) for m in data["model"]["merges"]]
    return Tokenizer.from_str(json.dumps(data)), data


def metaspace():
    """Newer conversions: spaces are made visible by the pre-tokenizer, only at the very first piece."""
    data = sentencepiece_parts(700)
    data["normalizer"] = None
    data["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    data["decoder"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.post_processor = bos(tokenizer)
    return tokenizer


def write(path, value, indent=None):
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":") if indent is None else None, indent=indent) + "\n", encoding="utf-8")


def expected(tokenizer, all_texts):
    rows = []
    for text in all_texts:
        ids = tokenizer.encode(text).ids
        decoded = tokenizer.decode(ids, skip_special_tokens=False)
        skipped = tokenizer.decode(ids, skip_special_tokens=True)
        rows.append(
            [ids, tokenizer.encode(text, add_special_tokens=False).ids, None if decoded == text else decoded, None if skipped == text else skipped]
        )
    return rows


def write_rows(path, rows):
    lines = ",\n".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in rows)
    path.write_text("[\n" + lines + "\n]\n", encoding="utf-8")


def main():
    pair, prompts = sys.argv[1:]
    OUT.mkdir(parents=True, exist_ok=True)
    all_texts = texts()
    write_rows(OUT / "texts.json", all_texts)
    for name, make in dict(
        gpt2=gpt2, gpt2_prefix=gpt2_prefix, llama3=llama3, qwen2=qwen2, smollm2=smollm2, splits=splits, llama2=llama2, metaspace=metaspace
    ).items():
        tokenizer = make()
        write(OUT / f"{name}.json", json.loads(tokenizer.to_str()))
        write_rows(OUT / f"{name}.expected.json", expected(tokenizer, all_texts))
    tokenizer, data = llama1()
    write(OUT / "llama1.json", data)
    write_rows(OUT / "llama1.expected.json", expected(tokenizer, all_texts))

    tokenizer = Tokenizer.from_file(pair)
    write_rows(OUT / "pair.expected.json", expected(tokenizer, all_texts))
    lines = [json.loads(line) for line in open(prompts, encoding="utf-8")]
    write_rows(OUT / "pair_prompts.expected.json", [tokenizer.encode(line["prompt"]).ids for line in lines])


main()
