"""Feedback of people on what an application answered: recorded now, later, or from another process."""
