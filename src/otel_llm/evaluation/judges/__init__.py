"""Judges items: evaluators as data, what a judge is asked and what it may answer, and the clients of judges."""
