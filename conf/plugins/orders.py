"""An example of functions that flows call; a real one asks the system that knows the orders.

Named in bridge.toml:

    [functions]
    "orders.status" = "plugins/orders.py:status"
"""

from __future__ import annotations

STATES = ("on its way", "out for delivery", "delivered", "lost")


def status(values: dict[str, str]) -> dict[str, str]:
    """Return {"status": …} of values["order"]; raising, or taking too long, leads to the step's `on_error`.

    `contact`, `brand` and `call_id` are in `values` too; the same call_id comes again only after a crash.
    """
    return {"status": STATES[int(values["order"][-1]) % len(STATES)]}
