/** The side panel of a board: the chosen photo, what is suggested, the project's photos. */
import type { Asset, Job, Recipe, Suggestion, Task, TaskName } from "@atelier/sdk";
import { type DragEvent, useState } from "react";
import { getAsset } from "../app/api";
import { type Pages, type Query, useQuery } from "../app/query";
import { type Store, useStore } from "../app/store";
import { Icon, type IconName } from "../ui/Icon";
import { iconOfTask } from "../ui/tasks";
import { Lineage } from "./Lineage";
import type { Work } from "./jobs";
import { JobChipBody } from "./Overlay";
import type { OverlayModel, PlacedPhoto } from "./overlay-model";
import { Recipes } from "./Recipes";

export const ASSET_DRAG = "application/x-atelier-asset";

interface Props {
  model: Store<OverlayModel>;
  suggestions: Query<{ items: Suggestion[] }>;
  assets: Query<{ items: Asset[] }>;
  recipes: Pages<Recipe>;
  /** Known once the project is. */
  workspaceId: string | undefined;
  readOnly: boolean;
  onAsset: (assetId: string) => void;
  onTool: (tool: string) => void;
  tasks: readonly Task[];
  onTask: (task: TaskName, assetId: string) => void;
  onWork: (work: Work, photos: readonly PlacedPhoto[]) => void;
  onCancel: (jobId: string) => void;
  onAgain: (jobId: string) => void;
  onPick: () => void;
}

export function Panel(props: Props) {
  const { photo, photos, chips } = useStore(props.model);
  const elsewhere = chips.filter(({ box }) => box === null).map(({ job }) => job);
  return (
    <aside className="panel" aria-label="Side panel">
      {photo !== null && <Inspector key={photo.assetId} photo={photo} {...props} />}
      {photos.length > 1 && !props.readOnly && <Several photos={photos} {...props} />}
      {elsewhere.length > 0 && <Running jobs={elsewhere} tasks={props.tasks} onCancel={props.onCancel} />}
      <Suggested {...props} />
      <Photos {...props} />
    </aside>
  );
}

function Inspector(props: Props & { photo: PlacedPhoto }) {
  const { photo, tasks, workspaceId, onAgain, readOnly } = props;
  const { assetId } = photo;
  const asset = useQuery(`asset ${assetId}`, () => getAsset(assetId));
  const lineage = asset.data?.lineage ?? null;
  return (
    <section className="panel-part" aria-label="This photo" data-testid="inspector">
      <h2>This photo</h2>
      {asset.error !== null && <p className="quiet">This photo can't be read right now.</p>}
      {asset.data !== null && (
        <>
          <dl className="facts">
            <dt>Name</dt>
            <dd>{asset.data.name}</dd>
            <dt>Size</dt>
            <dd className="numbers">
              {asset.data.width} × {asset.data.height}, {bytes(asset.data.size_bytes)}
            </dd>
            {lineage !== null && <Lineage lineage={lineage} tasks={tasks} workspaceId={workspaceId} />}
          </dl>
          {!readOnly && lineage !== null && lineage.parent_id !== null && (
            <button
              type="button"
              className="button wide-button"
              title="The model does it once more, and you hear whether it comes out the same. Nothing is added."
              onClick={() => onAgain(lineage.job_id)}
            >
              <Icon name="redo" size={16} />
              Run again and compare
            </button>
          )}
          {!readOnly && <Works photos={[photo]} {...props} />}
        </>
      )}
    </section>
  );
}

function Several(props: Props & { photos: readonly PlacedPhoto[] }) {
  return (
    <section className="panel-part" aria-label="These photos" data-testid="several">
      <h2>{props.photos.length} photos</h2>
      <p className="quiet">Each result appears beside its photo.</p>
      <Works {...props} />
    </section>
  );
}

/** All that can be done to photos. */
function Works({ photos, tasks, recipes, workspaceId, onWork }: Props & { photos: readonly PlacedPhoto[] }) {
  return (
    <>
      {tasks.map(({ name, title, description }) => (
        <button key={name} type="button" className="button wide-button" title={description} onClick={() => onWork({ task: name }, photos)}>
          <Icon name={iconOfTask(name)} size={16} />
          {title}
        </button>
      ))}
      {workspaceId !== undefined && (
        <Recipes recipes={recipes} tasks={tasks} workspaceId={workspaceId} onRun={({ id }) => onWork({ recipeId: id }, photos)} />
      )}
    </>
  );
}

function Running({ jobs, tasks, onCancel }: { jobs: readonly Job[]; tasks: readonly Task[]; onCancel: (id: string) => void }) {
  return (
    <section className="panel-part" aria-label="Running">
      <h2>Running</h2>
      {jobs.map((job) => (
        <div key={job.id} className="chip flat">
          <JobChipBody job={job} tasks={tasks} onCancel={onCancel} />
        </div>
      ))}
    </section>
  );
}

const TOOL_ICONS: Readonly<Record<string, IconName>> = {
  draw: "draw",
  rectangle: "rectangle",
  arrow: "arrow",
  text: "text",
  image: "photo",
  undo: "undo",
};

function Suggested({ suggestions, tasks, onAsset, onTool }: Props) {
  const items = suggestions.data?.items ?? [];
  return (
    <section className="panel-part" aria-label="Suggested for you" data-testid="suggestions">
      <h2>Suggested for you</h2>
      {suggestions.error !== null && suggestions.data === null && <p className="quiet">Suggestions are resting. They come back by themselves.</p>}
      {suggestions.data !== null && items.length === 0 && <p className="quiet">Start to draw or drop a photo: what fits next appears here.</p>}
      <ul className="suggestions">
        {items.map((item) => (
          <li key={`${item.kind} ${item.id}`}>
            <button type="button" className="suggestion" onClick={() => (item.kind === "asset" ? onAsset(item.id) : onTool(item.id))}>
              {item.thumbnail_url !== null ? (
                <img src={item.thumbnail_url} alt="" />
              ) : (
                <span className="suggestion-icon">
                  <Icon name={TOOL_ICONS[item.id] ?? (tasks.some(({ name }) => name === item.id) ? iconOfTask(item.id) : "photo")} />
                </span>
              )}
              <span className="suggestion-words">
                <strong>{item.name}</strong>
                <span className="quiet">{item.reason}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Photos({ assets, readOnly, onAsset, onTask, onPick }: Props) {
  const [broken, setBroken] = useState<ReadonlySet<string>>(new Set());
  const items = assets.data?.items ?? [];
  const drag = (event: DragEvent, asset: Asset) => event.dataTransfer.setData(ASSET_DRAG, asset.id);
  return (
    <section className="panel-part" aria-label="Photos of this project" data-testid="assets">
      <h2>Photos</h2>
      {assets.error !== null && assets.data === null && <p className="quiet">The photos can't be read right now.</p>}
      {assets.data !== null && items.length === 0 && (
        <div className="panel-empty">
          <p>Drop a photo on the board, paste one, or pick it here.</p>
          {!readOnly && (
            <button type="button" className="button" onClick={onPick}>
              <Icon name="photo" size={16} />
              Add a photo
            </button>
          )}
        </div>
      )}
      <ul className="thumbs">
        {items.map((asset) => (
          <li key={asset.id} className="thumb">
            <button type="button" disabled={readOnly} aria-label={`Place ${asset.name}`} title={asset.name} onClick={() => onAsset(asset.id)}>
              {broken.has(asset.id) ? (
                <Icon name="photo" />
              ) : (
                <img
                  src={asset.renditions.thumbnail.url}
                  alt=""
                  draggable={!readOnly}
                  onDragStart={(event) => drag(event, asset)}
                  onError={() => setBroken(new Set([...broken, asset.id]))}
                />
              )}
            </button>
            {asset.lineage !== null && <span className="thumb-mark" title="Made by a model" />}
            {!readOnly && (
              <button type="button" className="thumb-enhance" aria-label={`Enhance ${asset.name}`} title="Enhance ×2" onClick={() => onTask("enhance", asset.id)}>
                <Icon name="sparkle" size={14} />
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

export function bytes(size: number): string {
  return size < 1_000_000 ? `${Math.max(1, Math.round(size / 1000))} kB` : `${(size / 1_000_000).toFixed(1)} MB`;
}
