"""Model repositories at ``s3://``, ``gs://``, ``az://`` and whatever else fsspec knows, kept in a local folder.

``download`` brings one version here whole and verified, ``mirror``
follows the changes. The local folder is what the rest of the server looks at.
"""
