"""Verdicts on traces: brought back to the trace as telemetry, and stored beside the items."""
