"""What can go wrong between a task and Triton.

AppError
├── TooLarge
│   └── PictureTooLarge      413  picture_too_large
├── InvalidInput
│   ├── UnknownTask          422  unknown_task
│   ├── UnknownModel         422  unknown_model
│   └── InvalidPicture       422  invalid_picture
├── PartUnavailable
│   └── TritonUnavailable    503  part_unavailable, part="triton"
├── InferenceFailed          502  inference_failed       the model refused a tile, or broke on it each time
├── InferenceTimeout         504  inference_timeout
└── InferenceCancelled       409  inference_cancelled    asked for by the caller
"""

from backend.core.errors import AppError, InvalidInput, PartUnavailable, TooLarge


class UnknownTask(InvalidInput):
    code, title = "unknown_task", "There is no such task"


class UnknownModel(InvalidInput):
    code, title = "unknown_model", "There is no such model"


class InvalidPicture(InvalidInput):
    code, title = "invalid_picture", "The picture is not 8-bit RGB"


class PictureTooLarge(TooLarge):
    code, title = "picture_too_large", "The picture has too many pixels for this task"


class TritonUnavailable(PartUnavailable):
    """Triton did not answer until the time was up."""

    def __init__(self, detail: str = "", **extra: object) -> None:
        super().__init__(
            detail or "The inference server is away for now. Try again in a moment.", part="triton", **extra
        )


class InferenceFailed(AppError):
    code, status, title = "inference_failed", 502, "The model could not process this picture"


class InferenceTimeout(AppError):
    code, status, title = "inference_timeout", 504, "The model took longer than it may"


class InferenceCancelled(AppError):
    code, status, title = "inference_cancelled", 409, "The run was cancelled"
