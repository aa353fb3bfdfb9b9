"""How two networks stand to each other, from what was found out about their tensors.

Enters: names, shapes, and the numbers of each pair of tensors. Leaves: pairs, blocks, conclusions,
the line that several files form. No byte is read here.
"""
