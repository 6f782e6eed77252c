"""The demonstration: the main job on an embedded local chain, then a lie, told on one screen.

`run` is the first act and `fork` the second, on a `stage` that both share; `processes` keeps every
child from outliving it, `story` prints.
"""
