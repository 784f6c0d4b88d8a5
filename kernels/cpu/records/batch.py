"""A job of one step whose items are whole images: each worker runs the plan alone, in memory of its own."""

from accelserve.kernels.cpu.records.declaration import Record

BATCH = Record(__name__)

WORKSPACE_TABLES = BATCH.address("int64 [workers], each workspace's table")
WORKSPACE_STEPS = BATCH.count("steps of the plan")
PATCHES = BATCH.count("record fields that differ from image to image")
PATCH_LIST = BATCH.address("int64 [PATCHES][2]: address of the first image, bytes of an image")
WORKSPACE_PATCHES = BATCH.address("int64 [workers][PATCHES]: addresses of the fields")
