"""Speed, measured against peers: every figure in the documentation comes from a command of this room."""
