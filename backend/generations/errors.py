"""Why a job is not taken, or ended without a result.

AppError
├── InvalidInput
│   ├── InvalidParameters    422  invalid_parameters        against the task's contract; `fields` says which and why
│   ├── BatchTooLarge        422  batch_too_large           more jobs than a batch may have
│   └── WrongDocument        422  wrong_document            the document is no board, or of another project
├── Forbidden
│   └── NotYourJob           403  not_your_job              somebody else's, and you don't manage the workspace
├── BudgetSpent              402  budget_spent              the month's compute of the workspace, or of the person
├── Conflict
│   ├── StepNotPossible      409  job_has_ended             no step leads on from where the job is
│   ├── NotRepeatable        409  not_repeatable            a job without a result, or whose input or result is gone
│   ├── NotTried             409  not_tried                 to operators: no version is being tried
│   └── NothingToRollBack    409  nothing_to_roll_back      to operators: the model was never changed
└── Gone
    └── InputGone            410  input_gone                the input asset was deleted while the job waited

Codes that only a job's `error` shows: `worker_lost` (its workers ended again and again), `internal`, and those of
`inference.errors` and `backend.assets.errors`.
"""

from backend.core.errors import AppError, Conflict, Forbidden, Gone, InvalidInput


class InvalidParameters(InvalidInput):
    """Compare with the task's `parameters_schema`; nothing was queued."""

    code, title = "invalid_parameters", "The parameters do not fit the task"


class WrongDocument(InvalidInput):
    """Results can be placed on boards of the job's own project."""

    code, title = "wrong_document", "The result can't be placed in this document"


class BatchTooLarge(InvalidInput):
    """Send it in several; nothing was queued."""

    code, title = "batch_too_large", "The batch has too many jobs"


class BudgetSpent(AppError):
    """Ask who manages the workspace for more, wait for the next month (UTC), or end jobs that wait."""

    code, status, title, close_code = "budget_spent", 402, "The month's compute is used up", 4403


class NotYourJob(Forbidden):
    """Ask the person who started it, or somebody who manages the workspace."""

    code, title = "not_your_job", "This job is somebody else's"


class StepNotPossible(Conflict):
    """Read the job again: it has ended meanwhile."""

    code, title = "job_has_ended", "The job has ended already"


class NotRepeatable(Conflict):
    """Only a job that made something can be run again to compare, while its input and its result are there."""

    code, title = "not_repeatable", "The job can't be run again"


class NotTried(Conflict):
    """Let jobs try the version first: `manage.py models try`."""

    code, title = "not_tried", "No version of the model is being tried"


class NothingToRollBack(Conflict):
    """The model runs as this release brought it."""

    code, title = "nothing_to_roll_back", "There is nothing to go back to"


class InputGone(Gone):
    """Submit a new job with another asset."""

    code, title = "input_gone", "The input is no longer there"
