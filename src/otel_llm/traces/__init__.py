"""Reads traces of OTLP JSON files, Jaeger and Tempo, as trees of spans."""
