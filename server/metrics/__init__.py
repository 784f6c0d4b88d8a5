"""What the server measures about itself: TensorFlow Serving's metrics under its names, and our own beside them.

``server_metrics`` holds the counters and histograms, ``state`` reads what is true at the moment of a scrape, and
``exposition`` writes the page. ``buckets`` and ``recent`` make of them what the status page shows: quantiles, and the rate of
the last minute.
"""
