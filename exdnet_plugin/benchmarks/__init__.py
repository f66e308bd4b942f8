"""What `exdnet bench` measures. Every figure is a ratio within one run, or comes with its machine."""
