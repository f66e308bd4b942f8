"""Runs a source through a filter into a sink. The only room that makes threads."""
