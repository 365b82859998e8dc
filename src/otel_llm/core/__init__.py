"""One GenAI operation: its request, response, span, metrics and event, and how calls nest."""
