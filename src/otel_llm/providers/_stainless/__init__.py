"""SDKs that Stainless generates (openai, anthropic): raw responses, streams, and other instrumentations of them."""
