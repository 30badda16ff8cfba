/** Opens a board: reads what it is, makes its session, and says calmly when it can't be shown. */
import "./fonts";
import { ApiError, type Document, type Me, type Project } from "@atelier/sdk";
import { useEffect, useState } from "react";
import { getDocument, getProject } from "../app/api";
import { signInPath } from "../app/App";
import { useQuery } from "../app/query";
import { fetchOrKept, forget } from "../app/session";
import { useStore } from "../app/store";
import { Notice, Spinner, Trouble } from "../ui/parts";
import { Acts } from "./acts";
import { Board } from "./Board";
import { BoardSession } from "./session";

export default function BoardPage({ me, documentId }: { me: Me; documentId: string }) {
  const document = useQuery(`document ${documentId}`, () => fetchOrKept<Document>(`document.${documentId}`, () => getDocument(documentId)));
  const problem = document.error instanceof ApiError ? document.error.status : null;
  useEffect(() => {
    if (problem === 401) location.assign(signInPath());
    if (problem === 403 || problem === 404) forget(`document.${documentId}`);
  }, [problem, documentId]);
  if (problem === 403) return <NoAccess />;
  if (problem === 404) return <NotFound />;
  if (document.data !== null) return <Opened key={document.data.epoch} me={me} document={document.data} />;
  if (document.error !== null) return <Trouble error={document.error} onRetry={document.reload} />;
  return <Spinner label="Opening the board" />;
}

interface Open {
  session: BoardSession;
  acts: Acts;
}

function Opened({ me, document }: { me: Me; document: Document }) {
  const [open, setOpen] = useState<Open | null>(null);
  const project = useQuery(`project ${document.project_id}`, () =>
    fetchOrKept<Project>(`project.${document.project_id}`, () => getProject(document.project_id)),
  );
  useEffect(() => {
    let left = false;
    const acts = new Acts(document.project_id, document.id);
    const session: BoardSession = new BoardSession(document, me, (written) => {
      for (const id of written.created) acts.created(id, String(session.elements.get(id)?.get("type")));
      for (const id of written.removed) acts.removed(id);
    });
    void session.ready.then(() => !left && setOpen({ session, acts }));
    acts.record("open_board");
    globalThis.document.title = `${document.name} · Atelier`;
    return () => {
      left = true;
      session.destroy();
      setOpen(null);
      globalThis.document.title = "Atelier";
    };
  }, [document, me]);
  if (open === null) return <Spinner label="Opening the board" />;
  return <Shown me={me} project={project.data} {...open} />;
}

function Shown({ me, project, session, acts }: Open & { me: Me; project: Project | null }) {
  const closed = useStore(session.closed);
  useEffect(() => {
    if (closed?.code === 4401) location.assign(signInPath());
    if (closed?.code === 4409) location.reload(); // the document began anew: read its epoch, open that copy
    if (closed?.code === 4403 || closed?.code === 4404) forget(`document.${session.document.id}`);
  }, [closed, session]);
  if (closed?.code === 4403) return <NoAccess />;
  if (closed?.code === 4404) return <NotFound />;
  if (closed?.code === 4400 || closed?.code === 4413) {
    return <Notice title="This board can't take your last edit">It is larger than a board may be. Reload the page and try a smaller one.</Notice>;
  }
  return <Board me={me} project={project} session={session} acts={acts} />;
}

function NoAccess() {
  return <Notice title="You no longer have access to this board">If you think that this is a mistake, ask a member of the workspace to add you again.</Notice>;
}

function NotFound() {
  return <Notice title="This board isn't here">It may have been removed, or the address may have a typing mistake in it.</Notice>;
}
