"""Networks as files: weights and training state without pickle, the hub, programs for other runtimes."""
