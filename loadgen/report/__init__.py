"""The figures of a measurement as one HTML file.

``page`` puts it together, ``plots`` draws, ``scales`` maps values to places. Elements are built as a tree
(``xml.etree``), so every text, also one that a server sent, is escaped where it is written.
"""

from accelserve.loadgen.report.page import page

__all__ = ["page"]
