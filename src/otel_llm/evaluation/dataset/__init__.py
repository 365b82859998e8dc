"""Items: made of spans, stored in a dataset, and read from it."""
