"""Switching otel-llm on and off: from code, and at the start of a program under ``opentelemetry-instrument``."""
