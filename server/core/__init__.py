"""Versions come and go without a request noticing: TensorFlow Serving's architecture, with servables opaque.

``source`` looks at the file system and says which versions are wanted; ``manager`` makes a loader for each, loads,
swaps and unloads; ``states`` records what happened; a request holds a ``handle`` and with it the version; ``registry``
puts these together with names and labels. ``echo`` is the smallest servable there is, as a worked example.
"""
