"""Spans that the application makes itself: of its own steps, and of what no instrumentation sees."""
