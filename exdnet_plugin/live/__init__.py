"""Live streams: a source that may go away, a filter that keeps its latency, sinks that are opened again."""
