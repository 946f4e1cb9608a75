"""Waiting in tests: look at the thing itself, with a deadline."""

import time

PATIENCE = 20  # seconds; a test that waits so long has failed


def eventually(condition, deadline=PATIENCE):
    """Looks until `condition()` holds. False: it did not within `deadline` seconds."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
