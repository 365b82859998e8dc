"""What is evaluated: items, how they are made of spans, where they are stored, and reading them."""
