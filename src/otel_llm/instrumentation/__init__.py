"""What every instrumentor shares: patching, the base class, and the entry points that the launcher loads."""
