/** Draws the studio's own marks over the canvas: cursors, selections of others, photos on their way, job chips. */
import type { Job, Task, TaskName } from "@atelier/sdk";
import type { ExcalidrawImperativeAPI } from "@excalidraw/excalidraw/types";
import { type CSSProperties, type ReactNode, useEffect, useRef } from "react";
import { type Store, useStore } from "../app/store";
import { until } from "../app/words";
import { Icon } from "../ui/Icon";
import { iconOfTask } from "../ui/tasks";
import { saidOf, stepOf, titleOf } from "./job-words";
import type { Box, OverlayModel, PlacedPhoto } from "./overlay-model";
import type { Other } from "./presence";
import type { Ghost } from "./uploads";

interface Props {
  api: ExcalidrawImperativeAPI;
  model: Store<OverlayModel>;
  others: Store<readonly Other[]>;
  ghosts: Store<readonly Ghost[]>;
  tasks: readonly Task[];
  onTask: (task: TaskName, photo: PlacedPhoto) => void;
  onCancel: (jobId: string) => void;
  onInspect: () => void;
}

/** Everything inside stands in the board's own units; one transform follows pan and zoom. */
export function Overlay({ api, model, others, ghosts, tasks, onTask, onCancel, onInspect }: Props) {
  const world = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const place = (scrollX: number, scrollY: number, zoom: number) => {
      if (world.current === null) return;
      world.current.style.transform = `scale(${zoom}) translate(${scrollX}px, ${scrollY}px)`;
      world.current.style.setProperty("--unzoom", String(1 / zoom));
    };
    const { scrollX, scrollY, zoom } = api.getAppState();
    place(scrollX, scrollY, zoom.value);
    return api.onScrollChange((x, y, nextZoom) => place(x, y, nextZoom.value));
  }, [api]);
  const { photo, quiet, chips, selections } = useStore(model);
  const photoIsBusy = chips.some(({ job }) => job.input_asset_id === photo?.assetId);
  return (
    <div className="overlay">
      <div className="overlay-world" ref={world}>
        {selections.flatMap(({ clientId, colour, boxes }) =>
          boxes.map((box, i) => <div key={`${clientId}-${i}`} className="other-selection" style={{ ...boxStyle(box), "--person": colour } as CSSProperties} />),
        )}
        <Ghosts ghosts={ghosts} />
        {chips.map(({ job, box }) => box !== null && job.preview_url !== null && <Preview key={job.id} url={job.preview_url} original={box} />)}
        {chips.map(({ job, box }) => box !== null && <JobChip key={job.id} job={job} tasks={tasks} box={box} onCancel={onCancel} />)}
        {photo !== null && !quiet && !photoIsBusy && (
          <At x={photo.x + photo.width / 2} y={photo.y} className="photo-tools" role="toolbar" label="Photo">
            {tasks.map(({ name, title, description }) => (
              <button key={name} type="button" className="tool-button" title={description} onClick={() => onTask(name, photo)}>
                <Icon name={iconOfTask(name)} size={16} />
                {title}
              </button>
            ))}
            <button type="button" className="tool-button" aria-label="About this photo" title="About this photo" onClick={onInspect}>
              <Icon name="info" size={16} />
            </button>
          </At>
        )}
        <Cursors others={others} />
      </div>
    </div>
  );
}

function Cursors({ others }: { others: Store<readonly Other[]> }) {
  return useStore(others).map(({ clientId, name, colour, pointer }) =>
    pointer === null ? null : (
      <div
        key={clientId}
        className="cursor"
        data-testid="cursor"
        style={{ transform: `translate(${pointer.x}px, ${pointer.y}px)`, "--person": colour } as CSSProperties}
      >
        <svg width="18" height="20" viewBox="0 0 18 20" aria-hidden="true">
          <path d="M2 2v14l4-3.600L9 18l2.400-1.100-2.800-5.400H14L2 2Z" />
        </svg>
        <span>{name}</span>
      </div>
    ),
  );
}

function Ghosts({ ghosts }: { ghosts: Store<readonly Ghost[]> }) {
  return useStore(ghosts).map((ghost) => (
    <div key={ghost.key} className="ghost" style={boxStyle(ghost)}>
      <img src={ghost.preview} alt="" />
      <div className="at ghost-bar" style={{ left: ghost.width / 2, top: ghost.height / 2 }}>
        <div className="chip" role="status">
          <Progress value={ghost.progress} label={`Uploading ${ghost.name}`} />
          <span>{ghost.progress < 1 ? "Uploading" : "Checking"}</span>
          <button type="button" className="chip-button" onClick={ghost.cancel}>
            Cancel
          </button>
        </div>
      </div>
    </div>
  ));
}

const GAP_PX = 40; // as the server places results

/** A result as far as it is made, where it will lie. */
function Preview({ url, original }: { url: string; original: Box }) {
  return <img className="job-preview" src={url} alt="" draggable={false} style={boxStyle({ ...original, x: original.x + original.width + GAP_PX })} />;
}

function JobChip({ box, job, tasks, onCancel }: JobProps & { box: Box }) {
  return (
    <At x={box.x + box.width / 2} y={box.y + box.height} className="chip job-chip" role="status" label={titleOf(job, tasks)}>
      <JobChipBody job={job} tasks={tasks} onCancel={onCancel} />
    </At>
  );
}

interface JobProps {
  job: Job;
  tasks: readonly Task[];
  onCancel: (jobId: string) => void;
}

export function JobChipBody({ job, tasks, onCancel }: JobProps) {
  const { done, total } = job.progress;
  const waiting = job.state === "queued" || total === 0;
  const left = job.expected === null ? "" : until(job.expected.ends_at);
  const withTime = (said: string) => [said, left].filter(Boolean).join(" · ");
  const step = stepOf(job, tasks);
  return (
    <>
      <Progress value={waiting ? null : done / total} label={titleOf(job, tasks)} />
      {step === "" ? (
        <span className="numbers">{withTime(saidOf(job, tasks))}</span>
      ) : (
        <span className="chip-lines numbers">
          <strong>{saidOf(job, tasks)}</strong>
          <span>{withTime(step)}</span>
        </span>
      )}
      <button type="button" className="chip-button" onClick={() => onCancel(job.id)}>
        Cancel
      </button>
    </>
  );
}

function Progress({ value, label }: { value: number | null; label: string }) {
  const known = value === null ? {} : { "aria-valuenow": Math.round(value * 100) };
  return (
    <div className={value === null ? "progress waiting" : "progress"} role="progressbar" aria-label={label} {...known}>
      <div style={{ transform: `scaleX(${value ?? 0.3})` }} />
    </div>
  );
}

/** A mark of constant size, whatever the zoom. */
function At({ x, y, className, role, label, children }: { x: number; y: number; className: string; role: string; label: string; children: ReactNode }) {
  return (
    <div className="at" style={{ left: x, top: y }}>
      <div className={className} role={role} aria-label={label}>
        {children}
      </div>
    </div>
  );
}

function boxStyle({ x, y, width, height }: Box): CSSProperties {
  return { left: x, top: y, width, height };
}
