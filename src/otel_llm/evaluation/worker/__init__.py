"""Judges items out of the application's process: where they come from, and what is judged when."""
