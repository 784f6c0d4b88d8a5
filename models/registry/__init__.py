"""What a model repository says about its models beside their files: labels, images, deployments, who serves what.

All of it are small JSON documents in folders called ``.accelserve``, which servers do not take for versions: of one model in
``REPOSITORY/NAME/.accelserve``, of the whole repository in ``REPOSITORY/.accelserve``. ``documents`` keeps them, on a file
system or in an object store, safe against two writers; ``records`` has images and deployments.
"""
