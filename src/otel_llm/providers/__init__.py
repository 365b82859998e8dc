"""The libraries otel-llm instruments, a folder each: what to patch, and how its calls map to ours."""
