"""What is shared between candidates and a window, by hand."""

from pipeline.model.inference.prefix_tree import PrefixTree, fill_rows
from pipeline.model.sequences.encoding import ReplySpan, Window


WINDOW = Window((10, 11, 1, 2, 3, 99), (ReplySpan(0, 2, 6),))  # the reply is 1 2 3


def test_what_is_alike_is_there_once():
    tree = PrefixTree(WINDOW)
    assert tree.walk(2, (1, 2, 3)) == [(1, 1), (2, 2), (3, 3)]  # the reply: all in the window
    assert tree.tokens == []
    assert tree.walk(2, (1, 5, 6, 7)) == [(1, 1), (2, 5), (6, 6), (7, 7)]  # leaves after its 1
    assert tree.walk(2, (1, 5, 6, 8)) == [(1, 1), (2, 5), (6, 6), (7, 8)]  # the same but its end
    assert tree.walk(2, (1, 5, 4, 8)) == [(1, 1), (2, 5), (6, 4), (8, 8)]
    assert tree.walk(2, (7, 5, 1)) == [(1, 7), (9, 5), (10, 1)]  # 5 after another token is another
    assert tree.walk(2, (7,)) == [(1, 7)]  # its last token is never read
    assert tree.tokens == [5, 6, 4, 7, 5]
    assert tree.parents == [2, 6, 6, 1, 9]
    assert tree.trunks == [2, 2, 2, 1, 1]
    assert tree.depths == [1, 2, 2, 1, 2]  # a node's position is trunk + depth
    assert tree.branches() == [[0, 1, 2], [3, 4]]


def test_the_same_words_in_place_of_two_replies_are_two_branches():
    tree = PrefixTree(Window((10, 1, 99, 10, 2, 99), (ReplySpan(0, 1, 3), ReplySpan(1, 4, 6))))
    assert tree.walk(1, (7, 8)) == [(0, 7), (6, 8)]
    assert tree.walk(4, (7, 8)) == [(3, 7), (7, 8)]
    assert tree.trunks == [0, 3]


def test_rows_hold_every_branch_whole_and_are_nearly_equal():
    branches = [list(range(10 * i, 10 * i + size)) for i, size in enumerate([7, 1, 5, 3, 4, 4])]
    rows = fill_rows(branches, 3)
    assert sorted(map(len, rows)) == [8, 8, 8]
    for branch in branches:
        (row,) = (row for row in rows if branch[0] in row)
        at = row.index(branch[0])
        assert row[at : at + len(branch)] == branch


def test_no_row_is_empty():
    assert fill_rows([[0, 1, 2, 3], [4]], 5) == [[0, 1, 2, 3], [4]]
    assert fill_rows([], 0) == []
