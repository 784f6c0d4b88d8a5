"""From a lowered graph to segments for the engine: partition, storage, descriptors, packed weights."""
