"""Why a file is not taken, each with the code that a client branches on.

AppError
├── Conflict
│   └── UploadIncomplete     409  upload_incomplete     the bytes have not arrived; PUT them, then finish again
├── Gone
│   └── UploadExpired        410  upload_expired        start a new upload
├── TooLarge
│   ├── UploadTooLarge       413  upload_too_large      more bytes than the limit
│   └── TooManyPixels        413  too_many_pixels       more pixels than the limit (a decompression bomb, say)
├── Unsupported
│   └── UnsupportedPicture   415  unsupported_picture   by its content neither JPEG, PNG nor WebP, or animated
├── RangeOutside             416  range_not_satisfiable the `Range` lies beyond the end of the file
└── InvalidInput
    ├── UploadEmpty          422  upload_empty          0 bytes
    ├── UploadMismatch       422  upload_mismatch       other bytes than were announced (length or SHA-256)
    └── PictureBroken        422  picture_broken        truncated or damaged

S3 being away is core.storage's StorageUnavailable (503, part "s3").
"""

from backend.core.errors import AppError, Conflict, Gone, InvalidInput, TooLarge, Unsupported


class UploadIncomplete(Conflict):
    """PUT the bytes to the upload's address, then finish it again."""

    code, title = "upload_incomplete", "The file's bytes have not arrived"


class UploadExpired(Gone):
    """Start a new upload and PUT the bytes again."""

    code, title = "upload_expired", "This upload has expired"


class UploadTooLarge(TooLarge):
    """Make the file smaller; `max_bytes` is the limit."""

    code, title = "upload_too_large", "The file is larger than the limit"


class TooManyPixels(TooLarge):
    """Reduce the picture; `max_pixels` is the limit of width times height."""

    code, title = "too_many_pixels", "The picture has more pixels than the limit"


class UnsupportedPicture(Unsupported):
    """Save it as JPEG, PNG or WebP; `seen` says what the content is, whatever its name says."""

    code, title = "unsupported_picture", "This kind of picture is not supported"


class RangeOutside(AppError):
    """Ask for a part that the file has, or for all of it."""

    code, status, title, close_code = "range_not_satisfiable", 416, "The file has no such part", 4400


class UploadEmpty(InvalidInput):
    """Choose a file that has content."""

    code, title = "upload_empty", "The file is empty"


class UploadMismatch(InvalidInput):
    """The bytes changed on their way: start a new upload."""

    code, title = "upload_mismatch", "The bytes are not those that were announced"


class PictureBroken(InvalidInput):
    """The file is cut off or damaged: export it again, then start a new upload."""

    code, title = "picture_broken", "The picture is damaged"


# What a refused upload answers when it is finished once more: the same refusal.
REFUSALS: dict[str, type[AppError]] = {
    refusal.code: refusal
    for refusal in (UploadTooLarge, TooManyPixels, UnsupportedPicture, UploadEmpty, UploadMismatch, PictureBroken)
}
