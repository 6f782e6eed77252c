"""The demonstration: the main job on an embedded local chain, told on one screen.

`run` is the story in order, `processes` keeps every child from outliving it, `story` prints.
"""
