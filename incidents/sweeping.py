"""What the clock throws away because it is old: each part by itself, and as often as it likes."""

from __future__ import annotations

import math

from incidents import metrics, people
from incidents.isolation import each, loop

PARTS = (metrics.drop_old_points, people.drop_expired)


@loop("sweep")
def sweep() -> None:
    # However long one takes, the others have their turn.
    each("sweep", PARTS, lambda part: part(), key=lambda part: f"{part.__module__}.{part.__name__}", seconds=math.inf)
