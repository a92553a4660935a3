"""Add rows to a table in place, with the same bits in every run."""

from torch import Tensor


def add_rows_(table: Tensor, places: Tensor, rows: Tensor) -> None:
    """Add each of `rows` (R, H) to the row of `table` (V, H) that `places` (R,) names, in place.

    A place may stand in `places` several times: all its rows are added. A GPU's `index_add_` adds
    in any order, so two runs would differ in the last bit. So a GPU uses `index_put_`.
    """
    if table.device.type == "cpu":
        table.index_add_(0, places, rows)
    else:
        table.index_put_((places,), rows, accumulate=True)
