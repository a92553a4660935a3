"""An export's model card: what it is, its numbers with intervals, its limits. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from pipeline.errors import visible
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.schemas.details import Details
from pipeline.model.export.licence import Licence
from pipeline.model.files.variant_record import VariantFile


_METRICS = {  # of Table 1: name for people, the hub's type
    "ppl": ("Perplexity per token", "perplexity"),
    "hits_at_1": ("Hits@1, %", "accuracy"),
    "f1": ("F1, %", "f1"),
}
_TEMPLATE = """---
{{ card_data }}
---

# {{ title }}

{{ what }}

## Use

{{ usage }}

A reply is generated until `generation_config.json`'s end mark. Text that others wrote should be
encoded with `split_special_tokens=True`, so that the name of a mark in it stays text.

## Numbers

{{ numbers }}

## Made from

- Base: {{ base }}. Licence: {{ base_licence }}.
- Data: {{ data }}. Licence: {{ data_licence }}.
- Training: {{ training }}.

## Limits

- It imitates how one person writes, from few dialogues. It can say what is false, hurtful or
  private: whatever stood in the dialogues that it was adapted to may come back.
- Adapt it to a person's conversations only if that person agrees; do not pass it off as them.
- The numbers are of the test split of the data above. They say nothing of other data or languages.
- A window holds {{ context }} tokens; older turns are forgotten.
"""


@dataclass(frozen=True)
class CardFacts:
    """What a card says.

    Attributes:
        record: of the training run.
        details: of stage `score`; null: it has not run.
        base: a few words on where φ comes from.
        data: on where the dialogues come from.
        licences: of `base` and of `data`.
        context: tokens of a window.
        person: whether the model is adapted to one.
        read_otherwise: whether `AutoTokenizer` reads the tokenizer otherwise than it is written.
    """

    record: VariantFile
    details: Details | None
    base: str
    data: str
    licences: Mapping[str, Licence]
    context: int
    person: bool
    read_otherwise: bool


def model_card(facts: CardFacts) -> str:
    """Return the card's text: Markdown behind the hub's metadata."""
    record = facts.record
    words = {
        "title": f"{record.name}, seed {record.seed}" + (", adapted" if facts.person else ""),
        "what": _what(facts),
        "usage": _usage(facts),
        "numbers": _numbers(facts),
        "base": visible(facts.base),
        "data": visible(facts.data),
        "base_licence": facts.licences["base"].words,
        "data_licence": facts.licences["data"].words,
        "training": f"{record.method}, {record.best_step} steps kept of {record.steps}, "
        f"{record.trained_parameters:,} of {record.all_parameters:,} parameters trained",
        "context": f"{facts.context:,}",
    }
    card = ModelCard.from_template(_card_data(facts), template_str=_TEMPLATE, **words)
    return str(card.content)


def _card_data(facts: CardFacts) -> ModelCardData:
    named = facts.licences["base"].name
    return ModelCardData(
        library_name="transformers",
        license=named or "other",
        pipeline_tag="text-generation",
        tags=["personalized-dialogue", "meta-learning"],
        model_name=facts.record.name,
        eval_results=_results(facts) or None,
    )


def _results(facts: CardFacts) -> list[EvalResult]:
    """Return Table 1's numbers as the hub reads them, the intervals among their arguments."""
    if facts.details is None:
        return []
    return [
        EvalResult(
            task_type="text-generation",
            dataset_type="personal-dialogues",
            dataset_name=facts.data,
            dataset_split="test",
            metric_type=kind,
            metric_name=name,
            metric_value=estimate.value,
            metric_args={"interval_95_over_personas": [estimate.low, estimate.high]},
        )
        for name, kind, estimate in _estimates(facts.details.metrics)
    ]


def _estimates(metrics: Any) -> list[tuple[str, str, Estimate]]:
    values = dict(metrics)
    return [(*_METRICS[key], values[key]) for key in _METRICS if values.get(key) is not None]


def _what(facts: CardFacts) -> str:
    if facts.person:
        return (
            "A language model for dialogue, adapted to one person's conversations. It answers as "
            "that person might."
        )
    how = "by meta-learning" if facts.record.method == "meta_train" else f"by {facts.record.method}"
    return (
        f"A start, trained {how}, from which a language model adapts to a new person in a few "
        "gradient steps on a handful of their dialogues. `personalize.py` does that."
    )


def _usage(facts: CardFacts) -> str:
    adapters = facts.record.adapters
    load = "AutoModelForCausalLM.from_pretrained(FOLDER)"
    lines = ["from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast"]
    if adapters is not None and adapters.kind == "bottleneck":
        lines, load = ["from bottlenecks import load", *lines[:1]], "load()"
    lines += [
        f"model, tokenizer = {load}, PreTrainedTokenizerFast.from_pretrained(FOLDER)",
        'talk = [{"role": "system", "content": "PERSONA SENTENCES"},',
        '        {"role": "user", "content": "hello , how are you ?"}]',
        "ids = tokenizer.apply_chat_template(talk, add_generation_prompt=True, "
        'return_tensors="pt", return_dict=True)',
        "print(tokenizer.decode(model.generate(**ids)[0, ids.input_ids.shape[1]:]))",
    ]
    text = "```python\n" + "\n".join(lines) + "\n```"
    if facts.read_otherwise:
        text += (
            "\n\n`AutoTokenizer` has a rule of its own for this kind of model and cuts texts "
            "otherwise than in training: load the tokenizer as above."
        )
    if adapters is not None and adapters.kind != "bottleneck":
        text += (
            "\n\nThis folder is the model with its adapter merged. The adapter apart, as `peft` "
            'loads it: `PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("base"), '
            '"adapter")`.'
        )
    if not facts.person:
        text += (
            "\n\n```sh\npython personalize.py CONVERSATIONS.jsonl ADAPTED.safetensors\n```\n\n"
            "`safetensors.torch.load_model(exported_model.load(), FILE)` reads what it writes."
        )
    return text


def _numbers(facts: CardFacts) -> str:
    details = facts.details
    if details is None:
        return "Not scored: `metrics/details/` had no numbers of it when it was exported."
    title = "| metric | before adaptation | after | 95 % over personas |\n|---|---|---|---|\n"
    before = {name: estimate for name, _, estimate in _estimates(details.before_adaptation)}
    rows = [
        f"| {name} | {before[name].value:.2f} | {value.value:.2f} | {_interval(value)} |"
        for name, _, value in _estimates(details.metrics)
        if name in before
    ]
    gain = details.gain
    swap = details.swap_gain
    stranger = "" if swap is None else f"; on a stranger's: {swap.value:.3f} ({_interval(swap)})"
    return (
        f"{title}" + "\n".join(rows) + f"\n\n{details.counts.personas} unseen test people, each "
        f"held-out dialogue after {details.headline.epoch} epochs on the person's others. "
        f"Gain by adaptation, nats per token: {gain.value:.3f} ({_interval(gain)}){stranger}. "
        f"In words: {details.adaptation}." + _whose(details.counts.seeds, facts)
    )


def _whose(seeds: Sequence[int], facts: CardFacts) -> str:
    """Say where the numbers are not this very model's: several seeds together, or the start's."""
    own, said = facts.record.seed, ""
    if [*seeds] != [own]:
        part = "this model is of one of them" if own in seeds else "this model is of none of them"
        said = (
            f" All numbers are of training seeds {', '.join(map(str, seeds))} together; {part}, "
            f"seed {own}."
        )
    return said + (" They are the start's numbers, not this person's." if facts.person else "")


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return "no interval"
    return f"{estimate.low:.3f} to {estimate.high:.3f}"
