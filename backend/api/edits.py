"""Takes a model's edit of a document back, for the person on whose behalf it was made."""

from ninja import Router, Schema

from backend.api.auth import Request
from backend.api.schemas import DocumentId, EditId
from backend.generations.services import undo_edit

router = Router(tags=["documents"])


class UndoOut(Schema):
    undone: bool


@router.post("/documents/{document_id}/edits/{edit_id}/undo", response={200: UndoOut}, operation_id="undo_edit")
def undo(request: Request, document_id: DocumentId, edit_id: EditId) -> UndoOut:
    """Undo an edit that the server made for you. `undone` is false when it was undone already."""
    return UndoOut(undone=undo_edit(document_id, edit_id, by=request.person_id))
