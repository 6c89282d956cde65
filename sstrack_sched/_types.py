"""Array types for annotations; Any at run time, because the oldest NumPy lacks them."""

from typing import TYPE_CHECKING, Any, List, Union

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]
    Row = Union[int, np.integer[Any]]
    Rows = Union[slice, Array, List[int]]
else:
    ArrayLike = Array = Floats = Ints = Mask = Row = Rows = Any

__all__ = ["Array", "ArrayLike", "Floats", "Ints", "Mask", "Row", "Rows"]
