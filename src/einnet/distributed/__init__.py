"""One state over many processes: each has a block of it, and all together compute what one would.

A relation over n things has n^2 cells. On a mesh of p x q processes each has n/p rows and n/q columns of every tensor
of a network, and the memory per process is that of one divided by their number.
"""

from einnet.distributed.cost import ShardingCost, estimate
from einnet.distributed.shard import distribute, shard, take_block
from einnet.distributed.speed import measure_speed

__all__ = ["ShardingCost", "distribute", "estimate", "measure_speed", "shard", "take_block"]
