"""The frozen types that rooms exchange; their order here is the order of the pipeline.

`limits` bound every read; `containers` describe where bytes lie; `pickled` is the inert graph of a
pickle; `tensors` says what the graph and the archive hold; `findings` are what was noticed on the
way; `report` is everything that is said about the files of one run.
"""
