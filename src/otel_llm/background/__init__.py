"""What runs off the caller's thread: workers, deferred work, finalizers, and what a fork must not find half done."""
