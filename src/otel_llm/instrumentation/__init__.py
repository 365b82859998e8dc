"""What all instrumentors share: patching, the base class, and the entry points that the launcher loads."""
