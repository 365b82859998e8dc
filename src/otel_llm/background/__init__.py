"""What runs outside the caller's thread: the worker and its thread, deferred work, postponed finalizers, forks."""
