"""Stage base: φ from `base.source`, with the special tokens added."""

from pipeline import artifacts
from pipeline.errors import DataError, MissingFileError, one_line
from pipeline.model.pretraining.build import PRETRAIN, build_base
from pipeline.params import BaseParams, Settings
from stages.shell.console import out, run, wrote
from stages.shell.in_force import refuse_edited
from stages.shell.progress.shown import progress


OWN = {
    *(artifacts.BASE_FACTS.name, "config.json", "model.safetensors"),
    *("tokenizer.json", "tokenizer_config.json"),
    *("chat_template.jinja", "additional_chat_templates"),  # where the tokenizer has templates
}


@artifacts.one_at_a_time(lambda: artifacts.BASE)
def base() -> None:
    """Make the base model φ, a Hugging Face folder."""
    artifacts.refuse_foreign(artifacts.BASE, artifacts.BASE_FACTS.name, OWN)
    settings = Settings.load()
    view = settings.view(BaseParams)
    params = view.base
    if params.source == PRETRAIN:
        _refuse_other_text()
    phi = settings.phi_in_use()  # looked at, not declared: the base is the same for any
    with progress("base", params.pretrain.steps) as advance:
        facts = build_base(
            params,
            artifacts.PRETRAIN_TEXT,
            artifacts.BASE,
            advance=advance,
            phi=phi,
            confirm=lambda: refuse_edited(view, Settings.load().view(BaseParams)),
        )
    if files := facts.get("unlisted"):
        out.print(
            f"offline, from a cache without the hub's list of files: {one_line(', '.join(files))} "
            "are there; what else the hub has is not known"
        )
    if left_out := facts.get("left_out"):
        out.print(f"left out, for a language model has no place for it: {', '.join(left_out)}")
    if dropped := facts.get("dropped_tokens"):
        out.print(f"dropped, for the model has no rows for them: {one_line(', '.join(dropped))}")
    if rows := facts.get("padding_rows"):
        out.print(f"{rows:,} rows of the vocabulary cut, which the tokenizer has no entries for")
    if (trained := facts["pretraining"]) is not None:
        out.print(
            f"held out: perplexity {trained['ppl_per_token']:.2f} per token "
            f"(unigram {trained['ppl_unigram_per_token']:.2f}), "
            f"{trained['ppl_per_byte']:.3f} per byte, {trained['heldout_tokens']:,} tokens"
        )
    what = (
        f"φ from {facts['source']}, {facts['num_parameters']:,} parameters, "
        f"{facts['vocab_size']:,} + {len(facts['special_tokens'])} tokens, "
        f"context {facts['context']:,}"
    )
    wrote(artifacts.BASE, what, f"{artifacts.BASE_FACTS.name} in it has the facts")


def _refuse_other_text() -> None:
    """Refuse a text that is not as `source.json` says: who cites that would cite another text.

    Raises:
        MissingFileError: one of both is not there.
        DataError: names the file, both digests, and the command to run.
    """
    made_by = "download"
    source = artifacts.read_json(artifacts.RAW_SOURCE, made_by=made_by).get("pretrain")
    said = source.get("text_sha256") if isinstance(source, dict) else None
    text = artifacts.PRETRAIN_TEXT
    if not text.is_file():
        raise MissingFileError(text, made_by)
    if (now := artifacts.sha256_of(text)) != said:
        raise DataError(
            f"{text}: not as stage download wrote it: its SHA-256 is {now[:12]}…, "
            f"{artifacts.RAW_SOURCE} says {one_line(said or 'none')[:12]}…; "
            "name a text of your own in data.pretrain, or delete this one; then run `python -m "
            "stages.download` (or `dvc repro`)"
        )


if __name__ == "__main__":
    run(base)
