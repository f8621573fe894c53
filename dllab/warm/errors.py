"""The one error that warm kernels raise, apart from the system's own.

- `WarmError`: no warm kernel can be had; the message says why
"""

__all__ = ["WarmError"]


class WarmError(RuntimeError):
    """No warm kernel can be had; the message says why, in a form that follows a colon."""
