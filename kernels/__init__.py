"""What computes: graphs, their compilation, the devices that run them, and the stages around them."""
