/** Hides the project's event stream (SSE): one connection, opened again after a break, with a call to catch up. */
import type { Asset, Job } from "@atelier/sdk";

export interface ProjectEventHandlers {
  job: (job: Job) => void;
  asset: (asset: Asset) => void;
  suggestions: () => void;
  /** The stream is open (again): what was missed can be read now. */
  open: () => void;
}

const REOPEN_MS = 3_000;

export function followProject(projectId: string, handlers: ProjectEventHandlers): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const open = () => {
    source = new EventSource(`/api/v1/projects/${projectId}/events`);
    source.addEventListener("open", handlers.open);
    source.addEventListener("reset", handlers.open); // too much was missed to be told again
    source.addEventListener("job", (event) => handlers.job(JSON.parse(event.data) as Job));
    source.addEventListener("asset", (event) => handlers.asset(JSON.parse(event.data) as Asset));
    source.addEventListener("suggestions", handlers.suggestions);
    source.addEventListener("error", () => {
      if (source?.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      timer = setTimeout(open, REOPEN_MS);
    });
  };
  open();
  return () => {
    clearTimeout(timer);
    source?.close();
  };
}
