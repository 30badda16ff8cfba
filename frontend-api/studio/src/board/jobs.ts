/** Hides which AI jobs of a project run now, and what became of those that this page has seen. */
import { ApiError, type Job, type Lane, type Me, type TaskName } from "@atelier/sdk";
import { cancelJob, listJobs, runJobAgain, submitJob } from "../app/api";
import { runRecipe } from "../app/recipes";
import { Store } from "../app/store";
import { toast, toastError } from "../app/toasts";
import { compared } from "../app/words";
import type { PlacedPhoto } from "./overlay-model";

/** What is done to a photo. */
export type Work = { task: TaskName } | { recipeId: string };

/** It is gone, too large, or not what the task takes. */
const OF_ONE_PHOTO = new Set([404, 413, 422]);
const LIVE = new Set(["queued", "running"]);

export class Jobs {
  /** Jobs that run now, oldest first. */
  readonly live = new Store<readonly Job[]>([]);
  private readonly opened = Date.now();
  private readonly told = new Set<string>();

  constructor(
    private readonly me: Me,
    private readonly projectId: string,
    private readonly documentId: string,
    /** The server edited this board on this person's behalf. */
    private readonly onResult: (editId: string) => void,
  ) {}

  /** Several take what single ones leave. A refusal that is not of one photo ends it, for the next would be refused too. */
  async run(work: Work, photos: readonly PlacedPhoto[]): Promise<void> {
    const lane = photos.length > 1 ? "batch" : "interactive";
    for (const photo of photos) {
      const refused = await this.start(() => this.ask(work, photo, lane));
      if (refused !== null && !OF_ONE_PHOTO.has(refused)) return;
    }
  }

  /** Repeat a job; what came of it is told when it has ended. */
  async again(jobId: string): Promise<void> {
    await this.start(() => runJobAgain(jobId));
  }

  private ask(work: Work, { assetId, elementId }: PlacedPhoto, lane: Lane): Promise<Job> {
    const order = { input_asset_id: assetId, document_id: this.documentId, element_id: elementId, lane };
    const key = crypto.randomUUID();
    return "task" in work ? submitJob(this.projectId, { ...order, task: work.task }, key) : runRecipe(work.recipeId, order, key);
  }

  /** The status by which it was refused, 0 without an answer; null where it was taken. */
  private async start(ask: () => Promise<Job>): Promise<number | null> {
    try {
      const job = await ask();
      // An event may have overtaken the answer: it knows more.
      if (!this.live.get().some((other) => other.id === job.id)) this.onJob(job);
      return null;
    } catch (error) {
      toastError(error);
      return error instanceof ApiError ? error.status : 0;
    }
  }

  async cancel(jobId: string): Promise<void> {
    try {
      this.onJob(await cancelJob(jobId));
    } catch (error) {
      toastError(error);
    }
  }

  /** What events may have missed while the stream was away. */
  async refresh(): Promise<void> {
    const { items } = await listJobs(this.projectId);
    for (const job of [...items].reverse()) this.onJob(job);
  }

  onJob(job: Job): void {
    const rest = this.live.get().filter((other) => other.id !== job.id);
    if (LIVE.has(job.state)) {
      if (this.told.has(job.id)) return; // an event overtaken by the one that ended it
      const old = this.live.get().find((other) => other.id === job.id);
      const next = old !== undefined && old.progress.done > job.progress.done ? { ...job, progress: old.progress, preview_url: old.preview_url } : job;
      this.live.set([...rest, next].sort((a, b) => (a.id < b.id ? -1 : 1)));
      return;
    }
    if (rest.length !== this.live.get().length) this.live.set(rest);
    if (this.told.has(job.id)) return;
    this.told.add(job.id);
    const mine = job.created_by === this.me.id && Date.parse(job.finished_at ?? "") >= this.opened - 5_000;
    if (!mine) return;
    if (job.state === "failed") toast(job.error?.detail ?? "The photo could not be worked on. Please try again.", "error");
    if (job.comparison !== null) toast(compared(job.comparison));
    if (job.state === "succeeded" && job.edit_id !== null && job.document_id === this.documentId) this.onResult(job.edit_id);
  }
}
