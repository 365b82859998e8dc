"""OpenAI's HTTP API: reads requests, answers and chunks, whoever serves them."""
