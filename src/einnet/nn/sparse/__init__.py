"""Sparse and ragged tensors: values at the index tuples of a support."""
