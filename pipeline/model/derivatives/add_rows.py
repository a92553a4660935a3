"""Rows added to some of a table's, as often as each is named."""

from torch import Tensor


def add_rows_(table: Tensor, places: Tensor, rows: Tensor) -> None:
    """Add rows (R, H) to the table's rows of `places` (R,), in place.

    A GPU's `index_add_` adds in any order, so that two runs would differ in the last bit.
    """
    if table.device.type == "cpu":
        table.index_add_(0, places, rows)
    else:
        table.index_put_((places,), rows, accumulate=True)
