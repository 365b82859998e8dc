"""Prompts and answers as the conventions' JSON: bounded in bytes, without credentials, captured only if wanted."""
