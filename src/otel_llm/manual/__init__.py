"""Manual spans: those that the application opens itself, for its steps and for models that are not instrumented."""
