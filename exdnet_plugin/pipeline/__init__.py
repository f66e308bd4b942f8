"""Runs a source through a filter into a sink, each stage on a thread of its own."""
