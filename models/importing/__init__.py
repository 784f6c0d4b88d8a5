"""Networks of other frameworks, as graphs of ours; and back, as standard ONNX."""

from accelserve.models.importing.onnx_exporter import ExportOptions, export_onnx
from accelserve.models.importing.onnx_importer import ImportedModel, ImportOptions, import_onnx

__all__ = ["ExportOptions", "ImportOptions", "ImportedModel", "export_onnx", "import_onnx"]
