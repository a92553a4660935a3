"""The sums of each person and training seed, from which a study's intervals come again. No torch.

One CSV for each variant, `sums/VARIANT.csv`: a row for each person and seed. Columns are sums over
the person's replies of test:

- `replies`, and `tokens` with closing ones, are Table 1's; `k_replies` and `k_tokens` Fig. 3's.
- `hits_at_1`, `f1`: at Table 1's setting; percent are 100 times the sum over `replies`.
- nats with closing tokens, of Table 1's replies: `own@E` and `swap@E` at epoch E (0 or the headline
  epoch), `text_own@E` and the other persona texts, `cache`.
- nats of Fig. 3's replies: `k0`; at the headline epoch `k3`, `swap_k3` for K = 3 and so on;
  `cache_k3`, `prompt_k3`, `text_own_k0`.
- `fit_k3`: dialogues that the prompts of `prompt_k3` held; over `k_replies` it is their mean, below
  K where fewer fit.

A cell is empty where the setting was not run, or not on all of the person's replies.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from math import fsum

from pipeline.evaluation.metrics.all import f1, hits_at_1
from pipeline.evaluation.records.cached import cached, with_cache
from pipeline.evaluation.records.metric import Metric, nats_per_token
from pipeline.evaluation.records.overview import Overview
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.records.prompted import longest_prompts


Row = Mapping[str, str]  # of the CSV
Column = tuple[str, Metric, list[Prediction]]

DIGITS = 4  # after the point: 1e-6 nats per token of a person's 50 tokens

PROMPT = "prompt_k"
TEXTS = ("text_own", "text_stranger", "text_none")


def persona_sums(records: Sequence[Prediction]) -> str:
    """Return the CSV of one variant's records."""
    overview = Overview.of(records)
    cells: dict[tuple[str, int], list[Prediction]] = {}
    for record in records:
        if record.split == "test":
            cells.setdefault((record.task_id, record.seed), []).append(record)
    rows = [_row(cells[key], overview) for key in sorted(cells)]
    names = [name for name in rows[0] if any(row[name] for row in rows)] if rows else []
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _row(records: Sequence[Prediction], overview: Overview) -> dict[str, str]:
    """Return one person's sums of one seed."""
    one = _Records(records, overview)
    table_1, fig_3 = one.at("leave_one_out", 0), one.at("k_shot", 0, 0)
    row = {"persona": records[0].task_id, "seed": str(records[0].seed)}
    for prefix, replies in (("", table_1), ("k_", fig_3)):
        row[f"{prefix}replies"] = str(len(replies)) if replies else ""
        row[f"{prefix}tokens"] = str(_tokens(replies)) if replies else ""
    headline = one.at("leave_one_out", overview.headline)
    for metric in (hits_at_1, f1):
        given = headline and not metric.null_in(headline)
        row[metric.name] = _rounded(metric.counts(r)[0] for r in headline) if given else ""
    for name, metric, own in one.columns():
        base = fig_3 if "_k" in name or name.startswith("k") else table_1
        same = own and not metric.null_in(own) and _tokens(own) == _tokens(base)
        row[name] = _rounded(metric.counts(r)[0] for r in own) if same else ""
        if name.startswith(PROMPT):
            fit = name.replace(PROMPT, "fit_k", 1)
            row[fit] = str(sum(record.k for record in own)) if same else ""
    return row


class _Records:
    """One person's records of one seed, by setting."""

    def __init__(self, records: Sequence[Prediction], overview: Overview) -> None:
        self._records, self._overview = records, overview
        self._prompts = overview.has("in_context")

    def at(self, protocol: str, epoch: int, k: int | None = None) -> list[Prediction]:
        """Return a setting's records; a null K stands for Table 1's replies, which have support."""
        return [
            r
            for r in self._records
            if (r.protocol, r.epoch) == (protocol, epoch) and (r.k > 0 if k is None else r.k == k)
        ]

    def columns(self) -> list[Column]:
        """Return each column of nats."""
        headline = self._overview.headline
        found: list[Column] = []
        for epoch in sorted({0, headline}):
            found.append((f"own@{epoch}", nats_per_token, self.at("leave_one_out", epoch)))
            found += [(f"{t}@{epoch}", nats_per_token, self.at(t, epoch)) for t in TEXTS]
        found.append((f"swap@{headline}", nats_per_token, self.at("swap", headline)))
        found += self._cache("cache", None, self.at("leave_one_out", 0))
        zero = self.at("k_shot", 0, 0)
        found.append(("k0", nats_per_token, zero))
        found.append(("text_own_k0", nats_per_token, self.at("text_own", 0, 0)))
        prompted = [r for r in self._records if r.protocol == "in_context"]
        for k in (k for k in self._overview.shots() if k):
            epoch = self._overview.epoch_at(k)
            found.append((f"k{k}", nats_per_token, self.at("k_shot", epoch, k)))
            found.append((f"swap_k{k}", nats_per_token, self.at("k_shot_swap", epoch, k)))
            found += self._cache(f"cache_k{k}", k, self._cached(k))
            longest = longest_prompts(prompted, zero, k) if self._prompts else []
            found.append((f"{PROMPT}{k}", nats_per_token, longest))
        return found

    def _cached(self, k: int) -> list[Prediction]:
        return with_cache(r for r in self._records if (r.protocol, r.k) == ("k_shot", k))

    def _cache(self, name: str, k: int | None, records: list[Prediction]) -> list[Column]:
        weight = self._overview.cache_weight(k)
        return [] if weight is None else [(name, cached(weight), records)]


def _tokens(records: Iterable[Prediction]) -> int:
    return sum(record.num_tokens + 1 for record in records)


def _rounded(values: Iterable[float]) -> str:
    return f"{fsum(values):.{DIGITS}f}".rstrip("0").rstrip(".")
