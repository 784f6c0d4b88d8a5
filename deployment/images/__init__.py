"""Container images of a server with a model, by whichever engine is there; without any, a model's OCI artefact."""
