"""The check behind every test: what is emitted is held against the GenAI semantic conventions.

- `check.violations(spans, metrics, logs, allow=...)` and `check.durations_match(spans, metrics)` are what tests call.
- `table.json` is the compact table of the conventions, which `table.py` reads; `derive.py` makes it from the registry's
  model folder and `newer.yaml`, the few things that are newer than the snapshot.
"""
