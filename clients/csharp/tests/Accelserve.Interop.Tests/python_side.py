"""What the C# client's tests ask of Python: photographs, a detector, certificates; and the Python client's answers.

python python_side.py prepare FOLDER
python python_side.py score ADDRESS SIGNATURE PICTURE...    # a JSON object a picture: output -> hexadecimal float32
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]


def prepare(folder: Path) -> None:
    """``photographs/``, ``models/detector``, ``authority.pem``, and PEM files of ``server`` and ``client``."""
    sys.path.insert(0, str(ROOT))
    from examples.photographs import write_photographs
    from tests.models.detectors import CLASSES, WIDTH, publish, write_network
    from tests.server.security.conftest import Authority

    write_photographs(folder / "photographs")
    publish(write_network(folder / "detector.onnx", "ssd300_vgg16", classes=CLASSES, width=WIDTH), "detector")
    authority = Authority("authority")
    (folder / "authority.pem").write_bytes(authority.pem)
    for name in ("server", "client"):
        identity = authority.sign(name)
        (folder / f"{name}.pem").write_bytes(identity.pem)
        (folder / f"{name}.key").write_bytes(identity.key_pem)


def score(address: str, signature: str, pictures: list[str]) -> None:
    """Print the Python client's outputs."""
    from accelserve.client import ModelSelection, PredictionClient

    with PredictionClient(address, model=ModelSelection(signature_name=signature)) as client:
        for picture in pictures:
            scores = client.score_file(picture)
            outputs = scores if isinstance(scores, dict) else {"": scores}
            print(json.dumps({name: array.astype("<f4").tobytes().hex() for name, array in outputs.items()}))


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "prepare":
        prepare(Path(arguments[0]))
    else:
        score(arguments[0], arguments[1], arguments[2:])
