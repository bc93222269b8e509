"""`einnet.fit`: a network from inputs and targets, without a training loop; `einnet.predict`: what it says of new data.

`samples` reads inputs and `targets` what is to be learned; `goals` has the losses, `parts` the training and held-out
data, `training` the steps, and `history` the report.
"""
