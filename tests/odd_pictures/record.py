"""Write down what TensorFlow says of the first odd pictures, for machines without it. Run by hand:

.venv-tensorflow/bin/python -m tests.odd_pictures.record
"""

from __future__ import annotations

import numpy as np

from tests.odd_pictures import odd_picture
from tests.odd_pictures.decoders import (
    DIFFERENT_ON_PURPOSE,
    FILES_A_DIGEST,
    RECORD,
    RECORDED,
    digest_of_files,
    is_deliberate,
    ours,
    tensorflows,
)


def main() -> None:
    answers = []
    for number in range(RECORDED):
        picture = odd_picture(number)
        here, there = ours(picture.data), tensorflows(picture.data)
        differs = here.fingerprint != there.fingerprint
        if differs and not is_deliberate(picture, here, there):
            raise SystemExit(
                f"picture {number} differs: {picture.oddities}; {here.refusal} / {there.refusal}"
            )
        answers.append(DIFFERENT_ON_PURPOSE if differs else there.fingerprint)
    files = [digest_of_files(block) for block in range(RECORDED // FILES_A_DIGEST)]
    np.savez_compressed(RECORD, answers=np.array(answers, np.uint32), files=np.array(files, np.uint32))


if __name__ == "__main__":
    main()
