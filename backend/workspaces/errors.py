"""The refusals that this room adds to the error tree.

Gone
├── InvitationExpired      410  invitation_expired      4404
├── InvitationRevoked      410  invitation_revoked      4404
└── InvitationUsed         410  invitation_used         4404
Forbidden
└── InvitedSomebodyElse    403  invited_somebody_else   4403
"""

from backend.core.errors import Forbidden, Gone


class InvitationExpired(Gone):
    """Ask for another one: whoever sent it can send it again."""

    code, title = "invitation_expired", "This invitation has expired"


class InvitationRevoked(Gone):
    """Whoever sent it took it back, or sent another link in its place."""

    code, title = "invitation_revoked", "This invitation was taken back"


class InvitationUsed(Gone):
    """It lets one person in, once."""

    code, title = "invitation_used", "This invitation was used already"


class InvitedSomebodyElse(Forbidden):
    """An invitation is for one address: sign in with the account that has it."""

    code, title = "invited_somebody_else", "This invitation is for another address"
