"""How much the fuzz tests try: little and always the same in the normal run, much in `make fuzz`.

`make fuzz` keeps what failed in `.hypothesis`, and tries that first the next time.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

settings.register_profile(
    "normal", max_examples=10, derandomize=True, database=None, deadline=None, suppress_health_check=_CHECKS
)
settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "1000")),
    print_blob=True,
    deadline=None,
    suppress_health_check=_CHECKS,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "normal"))
