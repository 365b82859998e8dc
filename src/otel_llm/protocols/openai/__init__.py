"""OpenAI's HTTP API: requests, answers and chunks as ours, for whoever serves it."""
