"""What may be published: policies, waivers, baselines, and the verdict by them.

Enters: a policy's text, findings. Leaves: a `Policy`; `Ruling`s.
"""
