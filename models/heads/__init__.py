"""Transfer learning: a new classifier on the features of a published network, from one folder of pictures a class."""
