"""Measures judges on items whose verdicts people have given: a set of our own, and files of the user's."""
