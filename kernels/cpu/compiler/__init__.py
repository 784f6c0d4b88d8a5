"""From a lowered graph to a plan: every operator's steps and their compiled code, packed weights, layout rules."""
