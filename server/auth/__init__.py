"""Who may use what: keys, of which the server keeps hashes only.

``keys_file`` reads and writes the file, ``keyring`` answers from it and follows its changes.
"""
