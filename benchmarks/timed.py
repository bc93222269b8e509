"""Training for some seconds of processor time, the same for each network of a benchmark."""

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["train_for"]


def train_for(
    seconds: float, net: nn.Module, rate: float, draw_loss: Callable[[], Tensor | None], weight_decay: float = 0.01
) -> int:
    """The number of steps: AdamW, gradients clipped to norm 1, a warm-up over the first 5% and a cosine.

    `draw_loss` returns the loss of a new batch, or None where the batch says nothing.
    """
    optimizer = torch.optim.AdamW(net.parameters(), rate, betas=(0.9, 0.99), weight_decay=weight_decay)
    start, steps, share = time.process_time(), 0, 0.0
    while share < 1:
        optimizer.param_groups[0]["lr"] = rate * min(1, 20 * share + 0.01) * (1 + math.cos(math.pi * share)) / 2
        if (loss := draw_loss()) is not None:
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        steps, share = steps + 1, (time.process_time() - start) / seconds
    return steps
