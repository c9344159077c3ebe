"""The arithmetic of SSIM by PyTorch, by Numba and by Triton; `dispatch` chooses."""
