"""Weights of trained networks: files of PyTorch, safetensors and Keras, published downloads, and fitting them to a network."""
