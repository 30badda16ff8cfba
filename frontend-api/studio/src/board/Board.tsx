/** The board: the canvas, the studio's marks over it, the bar above, the panel beside. */
import type { Me, Project, Recipe, TaskName } from "@atelier/sdk";
import { Excalidraw, MainMenu } from "@excalidraw/excalidraw";
import "@excalidraw/excalidraw/index.css";
import type { ExcalidrawImperativeAPI } from "@excalidraw/excalidraw/types";
import { type ChangeEvent, type DragEvent, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { getAsset, getSuggestions, listAssets, listTasks } from "../app/api";
import { usePages, useQuery } from "../app/query";
import { listRecipes } from "../app/recipes";
import { useStore } from "../app/store";
import { useTheme } from "../app/theme";
import { toast, toastError } from "../app/toasts";
import { Members } from "../pages/Members";
import "../styles/board-recipes.css";
import "../styles/board.css";
import { Icon } from "../ui/Icon";
import { Dialog } from "../ui/parts";
import type { Acts } from "./acts";
import { Controller } from "./controller";
import { Header } from "./Header";
import { toScene } from "./insert";
import { useBoardKeys } from "./keys";
import { Overlay } from "./Overlay";
import { ASSET_DRAG, Panel } from "./Panel";
import type { BoardSession } from "./session";
import { Shortcuts } from "./Shortcuts";
import { photosIn } from "./uploads";

interface Props {
  me: Me;
  project: Project | null;
  session: BoardSession;
  acts: Acts;
}

const PHOTO_TYPES = "image/jpeg,image/png,image/webp";
/** A board keeps its colours in the dark theme, for photos and drawings must look alike to everyone: only the paper dims. */
const PAPER = { light: "#ffffff", dark: "#e4e4e0" };
const TOOLS = { draw: "freedraw", rectangle: "rectangle", arrow: "arrow", text: "text" } as const;

export function Board({ me, project, session, acts }: Props) {
  const theme = useTheme();
  const [api, setApi] = useState<ExcalidrawImperativeAPI | null>(null);
  const [panelOpen, setPanelOpen] = useState(() => window.innerWidth > 900);
  const [dialog, setDialog] = useState<"members" | "shortcuts" | null>(null);
  const picker = useRef<HTMLInputElement>(null);
  const workspaceId = project?.workspace_id;
  const role = me.workspaces.find((workspace) => workspace.id === workspaceId)?.role;
  const readOnly = role === "viewer" || role === "commenter";
  const projectId = session.document.project_id;
  const suggestions = useQuery(`suggestions ${projectId}`, () => getSuggestions(projectId));
  const tasks = useQuery("tasks", listTasks);
  const recipes = usePages<Recipe>(`recipes ${workspaceId}`, async (cursor) =>
    workspaceId === undefined ? { items: [] } : listRecipes(workspaceId, cursor === undefined ? {} : { cursor }),
  );
  const assets = useQuery(`assets ${projectId}`, () => listAssets(projectId));

  const controller = useMemo(() => (api === null ? null : new Controller(api, session, acts, me)), [api, session, acts, me]);
  useEffect(() => controller?.start({ onSuggestions: suggestions.reload, onAssets: assets.reload }), [controller, suggestions.reload, assets.reload]);

  useEffect(() => api?.updateScene({ appState: { viewBackgroundColor: PAPER[theme] } }), [api, theme]);

  const placeAsset = useCallback(
    (assetId: string, at?: { x: number; y: number }) => {
      getAsset(assetId).then((asset) => controller?.place(asset, "place_asset", at), toastError);
    },
    [controller],
  );
  const runOnSelected = useCallback(
    (task: TaskName) => {
      const photos = controller?.model.get().photos ?? [];
      if (photos.length === 0) toast("Choose a photo on the board first.");
      else void controller?.jobs.run({ task }, photos);
    },
    [controller],
  );
  const enhanceSelected = useCallback(() => runOnSelected("enhance"), [runOnSelected]);
  const pick = useCallback(() => picker.current?.click(), []);
  const activate = (tool: string) => {
    const task = tasks.data?.items.find(({ name }) => name === tool);
    if (tool === "image") pick();
    else if (task !== undefined) runOnSelected(task.name);
    else if (tool === "undo") void controller?.undo();
    else if (tool in TOOLS) api?.setActiveTool({ type: TOOLS[tool as keyof typeof TOOLS] });
  };
  const togglePanel = useCallback(() => setPanelOpen((open) => !open), []);
  const help = useCallback(() => setDialog("shortcuts"), []);
  useBoardKeys(controller, { pick, help, togglePanel, enhance: enhanceSelected, readOnly });

  const drop = (event: DragEvent<HTMLDivElement>) => {
    const assetId = event.dataTransfer.getData(ASSET_DRAG);
    const hasFiles = event.dataTransfer.files.length > 0;
    if (api === null || (assetId === "" && !hasFiles)) return;
    event.preventDefault();
    event.stopPropagation();
    if (readOnly) return;
    const at = toScene(api, event.clientX, event.clientY);
    if (assetId !== "") return placeAsset(assetId, at);
    const photos = photosIn(event.dataTransfer);
    if (photos.length < event.dataTransfer.files.length) toast("Only photos can be dropped on a board.", "error");
    controller?.uploads.add(photos, at);
  };
  const picked = (event: ChangeEvent<HTMLInputElement>) => {
    controller?.addPhotos([...(event.target.files ?? [])]);
    event.target.value = "";
  };

  return (
    <div className="board">
      <Header
        me={me}
        name={session.document.name}
        project={project}
        saved={session.saved}
        others={session.others}
        undo={readOnly ? null : <UndoButtons session={session} controller={controller} />}
        readOnly={readOnly}
        panelOpen={panelOpen}
        onPanel={togglePanel}
        onShare={() => setDialog("members")}
        onHelp={help}
      />
      <div className="board-main">
        <div
          className="canvas"
          onDropCapture={drop}
          onDragOverCapture={(event) => event.preventDefault()}
          onPointerDownCapture={() => session.gestureStarts()}
          onPointerLeave={() => session.setPointer(null)}
        >
          <Excalidraw
            excalidrawAPI={setApi}
            theme={theme}
            initialData={{ appState: { viewBackgroundColor: PAPER[theme] } }}
            name={session.document.name}
            isCollaborating
            handleKeyboardGlobally
            autoFocus
            viewModeEnabled={readOnly}
            aiEnabled={false}
            validateEmbeddable={false}
            onPointerUpdate={controller?.onPointer}
            onPointerUp={controller?.onPointerUp}
            UIOptions={{
              canvasActions: { loadScene: false, saveToActiveFile: false, export: false, toggleTheme: false, changeViewBackgroundColor: false },
              tools: { image: false },
            }}
            renderTopRightUI={() =>
              readOnly ? null : (
                <button type="button" className="button photo-button" onClick={pick} aria-label="Add a photo" title="Add a photo (9)">
                  <Icon name="photo" size={16} />
                  <span>Photo</span>
                </button>
              )
            }
          >
            <MainMenu>
              <MainMenu.DefaultItems.SaveAsImage />
              <MainMenu.DefaultItems.SearchMenu />
              <MainMenu.Item onSelect={help} shortcut="?">
                Keyboard shortcuts
              </MainMenu.Item>
            </MainMenu>
          </Excalidraw>
          {controller !== null && api !== null && (
            <>
              <Summary controller={controller} />
              <Hint controller={controller} readOnly={readOnly} />
              <Overlay
                api={api}
                model={controller.model}
                others={session.others}
                ghosts={controller.uploads.ghosts}
                tasks={tasks.data?.items ?? []}
                onTask={(task, photo) => void controller.jobs.run({ task }, [photo])}
                onCancel={(jobId) => void controller.jobs.cancel(jobId)}
                onInspect={() => setPanelOpen(true)}
              />
            </>
          )}
        </div>
        {panelOpen && controller !== null && (
          <Panel
            model={controller.model}
            suggestions={suggestions}
            assets={assets}
            recipes={recipes}
            workspaceId={workspaceId}
            readOnly={readOnly}
            onAsset={(assetId) => placeAsset(assetId)}
            onTool={activate}
            tasks={tasks.data?.items ?? []}
            onTask={(task, assetId) => void controller.run(task, assetId)}
            onWork={(work, photos) => void controller.jobs.run(work, photos)}
            onCancel={(jobId) => void controller.jobs.cancel(jobId)}
            onAgain={(jobId) => void controller.jobs.again(jobId)}
            onPick={pick}
          />
        )}
      </div>
      <input ref={picker} type="file" accept={PHOTO_TYPES} multiple hidden onChange={picked} data-testid="picker" />
      {dialog === "members" && project !== null && (
        <Dialog title="Members" onClose={() => setDialog(null)}>
          <Members me={me} workspaceId={project.workspace_id} />
        </Dialog>
      )}
      {dialog === "shortcuts" && <Shortcuts onClose={() => setDialog(null)} />}
    </div>
  );
}

function UndoButtons({ session, controller }: { session: BoardSession; controller: Controller | null }) {
  const { canUndo, canRedo } = useStore(session.undoState);
  return (
    <div className="undo-buttons">
      <button type="button" className="icon-button" aria-label="Undo my last step" title="Undo my last step" disabled={!canUndo} onClick={() => void controller?.undo()}>
        <Icon name="undo" />
      </button>
      <button type="button" className="icon-button" aria-label="Redo" title="Redo" disabled={!canRedo} onClick={() => controller?.redo()}>
        <Icon name="redo" />
      </button>
    </div>
  );
}

function Summary({ controller }: { controller: Controller }) {
  return (
    <p className="visually-hidden" data-testid="board">
      {useStore(controller.model).summary}
    </p>
  );
}

function Hint({ controller, readOnly }: { controller: Controller; readOnly: boolean }) {
  const { empty } = useStore(controller.model);
  if (!empty) return null;
  return (
    <div className="hint">
      <p>{readOnly ? "Nothing here yet." : "Draw, drop a photo, or pick a tool."}</p>
      {!readOnly && (
        <p>
          <kbd>?</kbd> shows the shortcuts
        </p>
      )}
    </div>
  );
}
