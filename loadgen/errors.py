"""What can go wrong before and during a measurement.

Exception
└── LoadError             a sentence: what was asked, and what came instead
└── UnanswerableError    the server does not answer a first request; nothing was measured
"""


class LoadError(Exception):
    """A measurement that cannot be made."""


class UnanswerableError(LoadError):
    """The first request got no answer."""
