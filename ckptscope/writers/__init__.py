"""Writers: from described values to the bytes of a checkpoint, streaming and deterministic.

Enters: plain Python values with `tensors.OutgoingTensor` leaves, whose bytes are asked for when
they are written. Leaves: files of every kind that ckptscope reads. Nothing is executed, and no
storage is ever held in memory as a whole; torch, numpy and the interpreter's pickler are not used.

Layers, bottom up: `forms` (what a pickle can say beyond plain values), `pickle_encoder`,
`tensors` and `modules` (what is written), `rebuild` (how torch spells it), then one module a
container: `torch_zip` (on `zip_archive`), `directory`, `legacy_stream`, `legacy_tar`,
`safetensors`; `wrapping` packs finished files, `atomic` puts them in place.

Import the module that is needed; this one re-exports nothing, so that nothing is loaded in vain.
"""
