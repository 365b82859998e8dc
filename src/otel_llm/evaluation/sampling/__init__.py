"""The span processor that chooses traces for evaluation."""
