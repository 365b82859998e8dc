"""The libraries that otel-llm instruments, a folder each: what to patch, and how to read requests and answers."""
