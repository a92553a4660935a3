"""Paragraphs are wrapped; tables, code and a number with its interval stay whole."""

from pipeline.evaluation.kept.documents.wrap import wrapped


def test_paragraphs_are_wrapped_and_tables_code_and_intervals_stay_whole():
    long = "word " * 30
    text = f"# {long}\n\n- {long}\n  more\n- next\n\n| {long} |\n\n```\n{long}\n```\n"
    lines = wrapped(text).splitlines()
    assert [line for line in lines if len(line) > 120 and line[0] not in "#|w"] == []
    assert lines[2].startswith("- word")
    assert lines[3].startswith("  word")
    assert f"| {long} |" in lines
    assert long in lines
    filler = "x" * 105
    assert wrapped(f"{filler} 0.123 [0.111, 0.222]\n") == f"{filler}\n0.123 [0.111, 0.222]\n"
    assert wrapped(wrapped(text)) == wrapped(text)
