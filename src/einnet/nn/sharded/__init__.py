"""Blocks of tensors, which the processes of a mesh hold, and plans on them; `einnet.distributed` is the public face."""
