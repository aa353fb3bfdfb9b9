"""Writers of small checkpoints, sound and malformed, from opcodes and members; without torch.

`pickles` spells pickles by opcode names, `zips`, `tars`, `streams`, `headers` write containers whose
every field can be forged, `reading` reads the result back.
"""
