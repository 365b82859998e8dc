"""Session, user, tags, prompt, ... of a request, and how they get onto all spans below."""
