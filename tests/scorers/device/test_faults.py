"""Whose fault an error is: the picture's, or the GPU's."""

from __future__ import annotations

import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, RuntimeException

from curate.errors import ModelError
from curate.scorers.device.faults import DeviceFullError, fault_of

# As users of ONNX Runtime report them.
FULL = (
    "Non-zero status code returned while running Conv node. Status Message: bfc_arena.cc:376 void* "
    "onnxruntime::BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 939524096",
    "cuda_call.cc:129 CUDA failure 2: out of memory ; GPU=0 ; hostname=box ; expr=cudaMalloc((void**)&p, size);",
    "onnxruntime::CudaCall CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0; expr=cublasCreate(&cublas_handle_);",
)
LOST = (
    "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; expr=cudaMemcpy(dst_data, src_data, bytes);",
    "CUBLAS failure 13: CUBLAS_STATUS_EXECUTION_FAILED ; GPU=0 ; hostname=LED-PC ; expr=cublasGemmHelper( ... );",
    "[ONNXRuntimeError] : 1 : FAIL : CUDA error executing cudaMemcpy(dst, src, bytes, cudaMemcpyDeviceToHost)",
    "CUDNN failure 8: CUDNN_STATUS_EXECUTION_FAILED ; GPU=0 ; hostname=box",
)


@pytest.mark.parametrize("words", FULL)
@pytest.mark.parametrize("kind", [RuntimeException, Fail, RuntimeError])
def test_a_full_gpu_is_told(kind: type[Exception], words: str) -> None:
    fault = fault_of(kind(words))
    assert isinstance(fault, DeviceFullError)
    assert "--device cpu" in fault.hint


@pytest.mark.parametrize("words", LOST)
def test_a_lost_gpu_is_told_in_its_own_words_without_what_is_behind_them(words: str) -> None:
    fault = fault_of(RuntimeException(words))
    assert type(fault) is ModelError
    assert fault.message.startswith("the GPU failed: CU")
    assert "hostname" not in fault.message


@pytest.mark.parametrize(
    "error",
    [
        ValueError("CUDA failure 700: a file may be called so"),
        RuntimeException("Got invalid dimensions for input: input"),
        MemoryError(),
    ],
)
def test_what_is_not_the_gpus_fault_is_not_called_so(error: Exception) -> None:
    assert fault_of(error) is None
