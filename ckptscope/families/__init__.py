"""Which network is it?

Enters: state_dicts of a manifest. Leaves: `Architecture`s, by families that know the names and
shapes of their networks. `base` says what a family is, `registry` which there are, `probe` asks
them.
"""
