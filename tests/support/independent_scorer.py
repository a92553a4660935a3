"""A second scorer, written from docs/metrics.md alone: it imports nothing of the project.

    python tests/support/independent_scorer.py predictions/VARIANT.jsonl

prints every micro metric of Table 1's setting as JSON.
"""

import json
import math
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import sacrebleu


def read(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").split("\n")[:-1]]


def headline(lines):
    """The epoch with the lowest valid NLL per token, and its test records."""
    nats, tokens = defaultdict(list), Counter()
    for line in lines:
        if (line["split"], line["protocol"]) == ("valid", "leave_one_out"):
            nats[line["epoch"]] += [line["nll"], line["nll_end"]]
            tokens[line["epoch"]] += line["num_tokens"] + 1
    epoch = min((math.fsum(nats[e]) / tokens[e], e) for e in nats)[1]
    wanted = ("test", "leave_one_out", epoch)
    return [r for r in lines if (r["split"], r["protocol"], r["epoch"]) == wanted]


# --- Words ---------------------------------------------------------------------------------------


def split_words(text):
    for mark in ".,;:!?":
        text = text.replace(mark, f" {mark} ")
    return text.lower().split()


def bag(text):
    """Words of the F1 rule, articles found letter by letter rather than by a regular expression."""
    lowered = text.lower()
    for mark in "!\"#$%&()*+,-./:;<=>?@[]\\^`{|}~_'":
        lowered = lowered.replace(mark, " ")
    words, current = [], ""
    for letter in lowered + " ":
        if letter.isalnum():
            current += letter
        else:
            words.append(" " if current in ("a", "an", "the") else current)  # not ""
            words.append(letter)
            current = ""
    return "".join(words).split()


def f1(response, reference):
    said, asked = bag(response), bag(reference)
    left, shared = list(asked), 0
    for word in said:
        if word in left:
            left.remove(word)
            shared += 1
    if shared == 0:
        return 0.0
    precision, recall = shared / len(said), shared / len(asked)
    return 2 * precision * recall / (precision + recall)


# --- Metrics -------------------------------------------------------------------------------------


def mean(values):
    values = list(values)
    return math.fsum(values) / len(values)


def likelihood(records):
    nats = math.fsum(r["nll"] for r in records)
    ends = math.fsum(r["nll_end"] for r in records)
    tokens = sum(r["num_tokens"] for r in records)
    size = sum(len(r["reference"].encode("utf-8")) for r in records)
    words = sum(r["num_words"] for r in records)
    assert words == sum(len(split_words(r["reference"])) for r in records)
    return {
        "ppl": math.exp((nats + ends) / (tokens + len(records))),
        "ppl_without_end": math.exp(nats / tokens),
        "ppl_per_word": math.exp(nats / words),
        "bits_per_byte": nats / math.log(2) / size,
        "reference_words": words / len(records),
    }


def places(record, scores, clean):
    """(others before the best gold, others level with it) among those that compete."""
    flags = zip(
        scores, record["candidate_equals_gold"], record["candidate_in_support"], strict=True
    )
    rows = [(score, gold) for score, gold, said in flags if gold or not (clean and said)]
    gold = min(score for score, is_gold in rows if is_gold)
    others = [score for score, is_gold in rows if not is_gold]
    before = [score for score in others if score < gold]
    level = [score for score in others if score == gold]
    return len(before), len(level)


def ranking(records):
    found = {}
    for suffix, clean in (("", False), ("_clean", True)):
        by_mean, by_sum, by_pmi = [], [], []
        for r in records:
            total, alone = r["candidate_nll"], r["candidate_nll_unconditional"]
            tokens = r["candidate_tokens"]
            by_mean.append(places(r, [x / t for x, t in zip(total, tokens, strict=True)], clean))
            by_sum.append(places(r, total, clean))
            by_pmi.append(places(r, [x - y for x, y in zip(total, alone, strict=True)], clean))
        if records[0].get("candidate_head"):
            head = [places(r, [-x for x in r["candidate_head"]], clean) for r in records]
            found[f"hits_at_1_by_head{suffix}"] = 100 * mean(sum(row) == 0 for row in head)
            found[f"hits_at_5_by_head{suffix}"] = 100 * mean(sum(row) < 5 for row in head)
            found[f"mrr_by_head{suffix}"] = mean(1 / (1 + sum(row)) for row in head)
            found[f"mean_rank_by_head{suffix}"] = mean(1 + b + e / 2 for b, e in head)
        for name, rows in (("", by_mean), ("_by_sum", by_sum), ("_by_pmi", by_pmi)):
            found[f"hits_at_1{name}{suffix}"] = 100 * mean(sum(row) == 0 for row in rows)
        found[f"hits_at_5{suffix}"] = 100 * mean(sum(row) < 5 for row in by_mean)
        found[f"mrr{suffix}"] = mean(1 / (1 + sum(row)) for row in by_mean)
        found[f"mean_rank{suffix}"] = mean(1 + b + e / 2 for b, e in by_mean)
    found["candidates_cleaned_away"] = mean(
        sum(
            said and not gold
            for said, gold in zip(
                r["candidate_in_support"], r["candidate_equals_gold"], strict=True
            )
        )
        for r in records
    )
    return found


def repeated(text):
    words, seen, again = split_words(text), set(), 0
    for pair in pairwise(words):
        again += pair in seen
        seen.add(pair)
    return again / (len(words) - 1) if len(words) > 1 else 0.0


def distinct(texts, n):
    grams = Counter()
    for text in texts:
        words = split_words(text)
        grams.update(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
    return 100 * len(grams) / grams.total() if grams else 0.0


def generation(records):
    found = {}
    references = [r["reference"] for r in records]
    for field, prefix in (("response", ""), ("greedy", "greedy_")):
        texts = [r[field] for r in records]
        pairs = list(zip(texts, references, strict=True))
        found[f"{prefix}f1"] = 100 * mean(f1(*pair) for pair in pairs)
        found[f"{prefix}bleu"] = sacrebleu.corpus_bleu(texts, [references]).score
        found[f"{field}_words"] = mean(len(split_words(text)) for text in texts)
        found[f"{field}_empty"] = 100 * mean(not bag(text) for text in texts)
        found[f"{field}_repetition"] = 100 * mean(map(repeated, texts))
    if records[0].get("persona") is not None:
        for field, prefix in (("response", ""), ("greedy", "greedy_"), ("reference", "reference_")):
            found[f"{prefix}persona_f1"] = 100 * mean(
                max([f1(r[field], sentence) for sentence in r["persona"]] or [0.0]) for r in records
            )
    found["samples_f1"] = 100 * mean(
        mean(f1(text, r["reference"]) for text in [r["response"], *(r["responses"] or [])])
        for r in records
    )
    return found


def diversity(records):
    seeds = sorted({r["seed"] for r in records})
    return {
        f"{field}_distinct_{n}": mean(
            distinct([r[field] for r in records if r["seed"] == seed], n) for seed in seeds
        )
        for field in ("response", "greedy", "reference")
        for n in (1, 2)
    }


def score(records):
    return likelihood(records) | ranking(records) | generation(records) | diversity(records)


if __name__ == "__main__":
    found = score(headline(read(sys.argv[1])))
    sys.stdout.write(json.dumps(found, indent=2, sort_keys=True) + "\n")
