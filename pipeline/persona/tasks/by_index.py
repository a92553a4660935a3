"""A sequence whose items are read when they are asked for."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar, overload


Item = TypeVar("Item", covariant=True)


class ByIndex(Sequence[Item]):
    """Items by their place; a class says how many there are and how one is read."""

    @abstractmethod
    def at(self, index: int) -> Item:
        """Read one item."""

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        if isinstance(index, slice):
            return [self.at(i) for i in range(*index.indices(len(self)))]
        return self.at(index)
