"""What an error of ONNX Runtime says of the GPU: that it is full, that it is broken, or nothing at all.

A picture that breaks a scorer costs itself alone; these two are no picture's fault. After any failure of CUDA but a
full memory its context is lost, and every later call of the process fails like the first.
"""

from __future__ import annotations

import re

from curate.errors import ModelError

# ONNX Runtime has no type for them (microsoft/onnxruntime issue 16307), only these words.
_FULL = re.compile(r"Failed to allocate memory|out of memory|STATUS_ALLOC_FAILED")
_BROKEN = re.compile(r"\b(?:CUDA|CUDNN|CUBLAS)2? (?:failure|error)\b[^;\n]*")


class DeviceFullError(ModelError):
    """The GPU has no room for so many pictures at once."""


def fault_of(error: Exception) -> ModelError | None:
    """What to raise where it was the GPU's fault; None where it was not.

    Returns:
        DeviceFullError, after which fewer pictures may pass; ModelError, after which nothing will.
    """
    ours = type(error).__module__.startswith("onnxruntime") or type(error) is RuntimeError
    if not ours:
        return None
    said = str(error)
    if _FULL.search(said):
        return DeviceFullError(
            "the GPU has no memory left",
            hint="end what else runs on it (nvidia-smi shows it), or --device cpu; the same command goes on from here",
        )
    if broken := _BROKEN.search(said):
        return ModelError(
            f"the GPU failed: {broken[0].strip()}",
            hint="the same command goes on from here; nvidia-smi shows what the GPU says, --device cpu does without",
        )
    return None
