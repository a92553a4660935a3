"""Which metrics there are."""

from pipeline.evaluation.metrics import all


def test_table_1_has_these_three():
    assert [metric.name for metric in all.TABLE_1] == ["ppl", "hits_at_1", "f1"]
    assert [metric.better for metric in all.TABLE_1] == ["lower", "higher", "higher"]


def test_names_are_unique_and_say_where_the_list_is_cleaned():
    names = [metric.name for metric in all.ALL]
    assert len(set(names)) == len(names)
    ranked = ["hits_at_1", "hits_at_1_by_sum", "hits_at_1_by_pmi", "hits_at_5", "mrr", "mean_rank"]
    ranked += [f"{name}_by_head" for name in ("hits_at_1", "hits_at_5", "mrr", "mean_rank")]
    assert [name for name in names if name in ranked] == ranked
    assert [name for name in names if name.endswith("_clean")] == [f"{n}_clean" for n in ranked]
    assert {metric.name for metric in all.ALL if metric.better == "lower"} == {
        *("ppl", "ppl_without_end", "ppl_per_word", "bits_per_byte"),
        *("mean_rank", "mean_rank_clean", "mean_rank_by_head", "mean_rank_by_head_clean"),
        "candidates_cleaned_away",
        *(
            f"{field}_{what}"
            for field in ("response", "greedy")
            for what in ("empty", "repetition")
        ),
    }
