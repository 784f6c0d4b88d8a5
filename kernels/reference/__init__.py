"""The definition of every operator: numpy, slow and obviously right. Every device has its bytes."""
