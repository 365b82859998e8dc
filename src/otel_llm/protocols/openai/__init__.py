"""OpenAI's HTTP API: reads requests, answers and chunks of any server that speaks it."""
