"""Training: samples made from pairs, batches, losses and the resumable loop."""
