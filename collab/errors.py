"""Why a connection ends: each error carries its stable code and the WebSocket close code.

core.errors.AppError
├── InvalidInput
│   └── ProtocolError         invalid_frame        4400   a frame that is not y-websocket's
│       └── MalformedUpdate   malformed_update     4400   the Yjs library cannot read the update
├── TooLarge
│   ├── UpdateTooLarge        update_too_large     4413
│   └── DocumentTooLarge      document_too_large   4413
├── RateLimited
│   ├── TooManyMessages       too_many_messages    4429
│   ├── TooManyDocuments      too_many_documents   4429   on one socket
│   └── TooManyConnections    too_many_connections 4429   of a person, on a document, in a workspace
├── Conflict
│   └── StaleEpoch            stale_epoch          4409   the document was cut or restored since
├── Forbidden
│   ├── AccessLost            access_lost          4403
│   └── ForeignOrigin         foreign_origin       4403   a cookie from another site's page
└── PartUnavailable
    ├── SlowConsumer          slow_consumer        1013
    ├── RoomUnavailable       room_unavailable     1013   the journal cannot take more for now
    └── ShuttingDown          restarting           1012
"""

from backend.core.errors import Conflict, Forbidden, InvalidInput, PartUnavailable, RateLimited, TooLarge


class ProtocolError(InvalidInput):
    code, title = "invalid_frame", "This is not a frame of the y-websocket protocol"


class MalformedUpdate(ProtocolError):
    code, title = "malformed_update", "This is not an update of a Yjs document"


class UpdateTooLarge(TooLarge):
    code, title = "update_too_large", "This update is larger than the limit"


class DocumentTooLarge(TooLarge):
    code, title = "document_too_large", "The document would grow beyond its limit"


class TooManyMessages(RateLimited):
    code, title = "too_many_messages", "Too many messages a second"


class TooManyDocuments(RateLimited):
    code, title = "too_many_documents", "One socket may open no more documents"


class TooManyConnections(RateLimited):
    code, title = "too_many_connections", "There are too many connections: close some, or try again later"


class StaleEpoch(Conflict):
    code, title = "stale_epoch", "The document was cut or restored: open it anew"


class AccessLost(Forbidden):
    code, title = "access_lost", "You may no longer open this document"


class ForeignOrigin(Forbidden):
    code, title = "foreign_origin", "A page of another site may not use your session"


class SlowConsumer(PartUnavailable):
    code, title = "slow_consumer", "You read slower than the document changes: connect again"


class RoomUnavailable(PartUnavailable):
    code, title = "room_unavailable", "The document cannot be saved for now: try again soon"


class ShuttingDown(PartUnavailable):
    code, title, close_code = "restarting", "The server restarts: connect again", 1012
