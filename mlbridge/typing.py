"""Types that every layer names: what JSON and YAML hold, values of tables, and arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# What a document of a user or of an older mlbridge holds: its shape is known only once it has been checked.
Json: TypeAlias = Any
Document: TypeAlias = dict[str, Json]
# A value of a table, and a row by column: their types are those of the columns.
Value: TypeAlias = Any
Row: TypeAlias = dict[str, Value]
# In quotes, because a build that only publishes needs no numpy.
Floats: TypeAlias = "NDArray[np.float64]"
Integers: TypeAlias = "NDArray[np.int64]"
Flags: TypeAlias = "NDArray[np.bool_]"
Times: TypeAlias = "NDArray[np.datetime64]"
# Values whose dtype depends on the data: class codes or numbers, labels, texts.
Array: TypeAlias = "NDArray[Any]"
