"""Networks of other frameworks, as graphs of ours; and back, as standard ONNX."""

from accelserve.models.importing.onnx_importer import ImportedModel, ImportOptions, import_onnx

__all__ = ["ImportOptions", "ImportedModel", "import_onnx"]
