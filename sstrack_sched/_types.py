"""Array types of annotations: all Any at run time, for the oldest NumPy has no names for them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]
else:
    ArrayLike = Array = Floats = Ints = Mask = Any

__all__ = ["Array", "ArrayLike", "Floats", "Ints", "Mask"]
