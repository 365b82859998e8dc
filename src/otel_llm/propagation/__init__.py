"""Whom a request is for (session, user, tags, prompt, ...), and how that gets onto all spans below."""
