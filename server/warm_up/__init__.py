"""What a version is asked before anybody else may ask it: recorded requests, as TensorFlow Serving's warm-up files hold.

``record_file`` reads TFRecords, ``requests`` makes work of what they hold; ``server.loading`` puts it behind every load.
"""
