"""Jobs, recipes, what compute cost, and each flow's clock of the fair scheduler."""

from django.db import models
from django.db.models.functions import Now

from backend.assets.models import Asset
from backend.core.folding import folded
from backend.generations.scheduler import Lane
from backend.generations.states import ENDED, State
from backend.projects.models import Project
from backend.workspaces.models import Person, Workspace

STATES = [(state.value, state.value) for state in State]
LANES = [(lane.value, lane.value) for lane in Lane]


class Recipe(models.Model):
    """Steps that are run one after another, as one job. `steps`: [{task, task_version, parameters}].

    `version` counts its writes; what it was in each of them `RecipeVersion` keeps.
    """

    id = models.UUIDField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.TextField()
    folded = folded("name")
    steps = models.JSONField()
    version = models.IntegerField(default=1)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "created_at", "id"], include=["folded"], name="recipe_by_time"),
            models.Index(fields=["workspace", "folded", "id"], name="recipe_by_name"),
        ]


class RecipeVersion(models.Model):
    """What a recipe was from `created_at` on."""

    id = models.UUIDField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    recipe = models.ForeignKey(Recipe, on_delete=models.CASCADE, related_name="versions", db_index=False)
    version = models.IntegerField()
    name = models.TextField()
    steps = models.JSONField()
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["recipe", "version"], name="recipe_version_once")]
        indexes = [models.Index(fields=["recipe", "created_at", "id"], name="recipe_version_by_time")]


class Intermediate(models.Model):
    """A picture that lies between two steps of a recipe, kept for the next run. There may be no object of it.

    `content`: the SHA-256 of all that it was made of: the input's bytes, and each step with its model. `made`: what the
    lineage says of those steps.
    """

    id = models.UUIDField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    content = models.CharField(max_length=64)
    input_sha256 = models.CharField(max_length=64)
    made = models.JSONField()
    size_bytes = models.BigIntegerField()
    used_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "content"], name="intermediate_once")]
        indexes = [models.Index(fields=["workspace", "used_at"], include=["size_bytes"], name="intermediate_by_use")]


class Batch(models.Model):
    """Jobs that were asked for at once. `task`, `recipe`: as theirs."""

    id = models.UUIDField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    task = models.TextField()
    recipe = models.JSONField(null=True)
    jobs = models.IntegerField()  # how many
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["project", "created_at", "id"], name="batch_by_time")]


class Job(models.Model):
    """One run of a task on one asset. `attempt` is the fencing token: what an older attempt writes is refused.

    `recipe`: {id, version, name, steps} of one whose steps are run instead; `task` is then "recipe".
    `staged`: the SHA-256 of objects that an attempt wrote and that no asset is made of yet: deleted if none ever is.
    """

    id = models.UUIDField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    task = models.TextField()
    task_version = models.TextField()
    parameters = models.JSONField()
    recipe = models.JSONField(null=True)
    input_asset = models.ForeignKey(Asset, on_delete=models.SET_NULL, null=True, related_name="+")
    output_asset = models.ForeignKey(Asset, on_delete=models.SET_NULL, null=True, related_name="+")
    document_id = models.UUIDField(null=True)
    element_id = models.TextField(null=True)  # noqa: DJ001 - there is none, which is not an empty one
    edit_id = models.UUIDField(null=True)
    traceparent = models.TextField()

    again_of = models.UUIDField(null=True)  # the job that this one repeats, to compare their results
    model_version = models.IntegerField(null=True)  # it must be run by; else as operators said
    comparison = models.JSONField(null=True)  # {identical, same_model, max_difference, psnr_db}

    lane = models.TextField(choices=LANES, default=Lane.INTERACTIVE.value, db_default=Lane.INTERACTIVE.value)
    start_by = models.DateTimeField(null=True)  # a job that waits longer expires
    run_timeout_s = models.IntegerField(null=True)

    state = models.TextField(choices=STATES, default=State.QUEUED.value)
    attempt = models.IntegerField(default=0)
    losses = models.IntegerField(default=0)
    not_before = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True)
    staged = models.JSONField(default=list)
    progress_done = models.IntegerField(default=0)
    progress_total = models.IntegerField(default=0)
    progress_step = models.SmallIntegerField(default=0, db_default=0)  # that runs, from 1
    progress_preview = models.IntegerField(default=0, db_default=0)  # the number of the last one; 0 for none
    error = models.JSONField(null=True)  # {code, detail}
    estimate_us = models.BigIntegerField()
    ahead_us = models.BigIntegerField(default=0, db_default=0)  # of compute, that was to be done before its end
    expected = models.JSONField(null=True)  # seconds after it was made: {starts, ends, earliest, latest}
    compute_us = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=[state.value for state in State]), name="job_state"),
            models.CheckConstraint(
                condition=models.Q(finished_at__isnull=False, state__in=sorted(state.value for state in ENDED))
                | models.Q(finished_at__isnull=True, state__in=[State.QUEUED.value, State.RUNNING.value]),
                name="job_ended",
            ),
        ]
        indexes = [
            models.Index(
                fields=["lane", "workspace", "person", "id"],
                name="job_queue",
                condition=models.Q(state=State.QUEUED.value),
            ),
            models.Index(
                fields=["start_by"],
                name="job_start_by",
                condition=models.Q(state=State.QUEUED.value, start_by__isnull=False),
            ),
            models.Index(fields=["lease_until"], name="job_leases", condition=models.Q(state=State.RUNNING.value)),
            models.Index(fields=["finished_at"], name="job_staged", condition=~models.Q(staged=[])),
            models.Index(
                fields=["lane", "task", "-finished_at"],
                name="job_measured",
                condition=models.Q(state=State.SUCCEEDED.value, expected__isnull=False),
            ),
            models.Index(fields=["batch", "state"], name="job_by_batch", condition=models.Q(batch__isnull=False)),
            models.Index(fields=["project", "created_at", "id"], name="job_by_time"),
            models.Index(fields=["project", "state", "created_at", "id"], name="job_by_state"),
        ]


class Charge(models.Model):
    """The ledger: microseconds of compute that a step of a job used. Rows are added, never changed."""

    id = models.UUIDField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="+", db_index=False)
    step = models.SmallIntegerField(default=1, db_default=1)
    task = models.TextField()
    model = models.TextField()
    compute_us = models.BigIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "step"], name="charge_once")]
        indexes = [
            models.Index(
                fields=["workspace", "created_at", "id"], include=["person", "compute_us"], name="charge_by_month"
            )
        ]


class Budget(models.Model):
    """Limits on a month's compute: of a workspace as a whole, or of one person in it. `noticed`: the month in which the
    soft one was told of.
    """

    id = models.UUIDField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, null=True, related_name="+")
    soft_us = models.BigIntegerField(null=True)
    hard_us = models.BigIntegerField(null=True)
    noticed = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "person"], name="budget_once", nulls_distinct=False)
        ]


class Rollout(models.Model):
    """Which version of a model jobs are run by, where operators have said so; of the whole studio, and no tenant's."""

    model = models.TextField(primary_key=True)
    version = models.IntegerField()
    previous = models.IntegerField(null=True)  # what a roll-back returns to
    canary = models.IntegerField(null=True)  # a version that is being tried, by so many of a hundred jobs
    canary_percent = models.IntegerField(default=0)
    failures = models.IntegerField(default=0, db_default=0)  # of that version, in a row
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(canary_percent__range=(0, 100)), name="rollout_percent")
        ]


class Pause(models.Model):
    """While there is a row no job begins, on no worker; of the whole studio, and no tenant's."""

    id = models.SmallIntegerField(primary_key=True)
    since = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="pause_one")]


class FlowClock(models.Model):
    """A flow of `scheduler`: a person in a workspace, a workspace, or a lane (null what it is not). The claim's alone.

    `ready_at`: the flow may have a job that may start from then on; null where none waits. `weight`: of its share among
    its like, as operators said.
    """

    id = models.BigAutoField(primary_key=True)
    lane = models.TextField(choices=LANES, default=Lane.INTERACTIVE.value, db_default=Lane.INTERACTIVE.value)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, null=True, related_name="+")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, null=True, related_name="+")
    clock_us = models.BigIntegerField(default=0)
    floor_us = models.BigIntegerField(default=0)
    queued_us = models.BigIntegerField(default=0)  # of compute, that a person's jobs wait for
    weight = models.FloatField(default=1.0, db_default=1.0)
    ready_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lane", "workspace", "person"], name="flow_once", nulls_distinct=False)
        ]
        indexes = [
            models.Index(
                fields=["lane", "clock_us", "ready_at"],
                name="flow_next_workspace",
                condition=models.Q(person__isnull=True, workspace__isnull=False, ready_at__isnull=False),
            ),
            models.Index(
                fields=["lane", "workspace", "clock_us", "ready_at"],
                name="flow_next_person",
                condition=models.Q(person__isnull=False, ready_at__isnull=False),
            ),
        ]


class FlowChange(models.Model):
    """What happened to a person's flow since the last claim, which folds it into the clocks: so nobody who submits or
    ends a job waits for a claim, nor a claim for them.

    `ready_at`: a job waits that may start then; `queued_us`: so much more, or less, waits. The job's table tells both
    by triggers, but not of a claim. `cost_us`: to be added to the clock.
    """

    id = models.BigAutoField(primary_key=True)
    lane = models.TextField(choices=LANES)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    ready_at = models.DateTimeField(null=True)
    cost_us = models.BigIntegerField(db_default=0)
    queued_us = models.BigIntegerField(db_default=0)
