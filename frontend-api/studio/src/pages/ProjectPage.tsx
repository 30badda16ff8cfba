/** A project: its boards and its newest photos. */
import { ApiError, type Me } from "@atelier/sdk";
import { createBoard, getProject, listAssets, listDocuments } from "../app/api";
import { useQuery } from "../app/query";
import { Link, navigate } from "../app/router";
import { Icon } from "../ui/Icon";
import { Notice, Trouble } from "../ui/parts";
import { CreateForm } from "./CreateForm";
import { CardSkeletons } from "./HomePage";
import { Shell } from "./Shell";

export function ProjectPage({ me, projectId }: { me: Me; projectId: string }) {
  const project = useQuery(`project ${projectId}`, () => getProject(projectId));
  const documents = useQuery(`documents ${projectId}`, () => listDocuments(projectId));
  const assets = useQuery(`assets ${projectId}`, () => listAssets(projectId));
  const role = me.workspaces.find((workspace) => workspace.id === project.data?.workspace_id)?.role;
  const mayCreate = role !== undefined && role !== "viewer" && role !== "commenter";
  const create = async (name: string) => {
    const board = await createBoard(projectId, name);
    navigate(`/d/${board.id}`);
  };
  if (project.error instanceof ApiError && project.error.status === 404) {
    return <Notice title="This project isn't here">It may have been removed, or you may not be a member of its workspace.</Notice>;
  }
  if (project.error !== null) {
    return (
      <Shell me={me}>
        <Trouble error={project.error} onRetry={project.reload} />
      </Shell>
    );
  }
  return (
    <Shell me={me}>
      <nav className="crumbs" aria-label="Where you are">
        <Link href="/">Projects</Link>
      </nav>
      <header className="page-head">
        <h1>{project.data?.name ?? "\u00a0"}</h1>
        <div className="spacer" />
        {mayCreate && <CreateForm label="New board" placeholder="Name of the board" create={create} primary />}
      </header>
      {documents.error !== null && documents.data === null && <Trouble error={documents.error} onRetry={documents.reload} />}
      {documents.data === null && documents.error === null && <CardSkeletons />}
      {documents.data?.items.length === 0 && (
        <div className="empty">
          <p>No board yet. Make one and invite others: everyone draws on it at once.</p>
        </div>
      )}
      <div className="cards">
        {documents.data?.items.map((document) => (
          <Link key={document.id} href={`/d/${document.id}`} className="card board-card">
            <span className="board-card-art" aria-hidden="true">
              <Icon name="board" size={30} />
            </span>
            <h2>{document.name}</h2>
          </Link>
        ))}
      </div>
      {(assets.data?.items.length ?? 0) > 0 && (
        <section aria-label="Photos">
          <h2 className="section-title">Photos</h2>
          <div className="photos">
            {assets.data?.items.map((asset) => (
              <figure key={asset.id}>
                <img src={asset.renditions.thumbnail.url} alt={asset.name} loading="lazy" />
                <figcaption>{asset.name}</figcaption>
              </figure>
            ))}
          </div>
        </section>
      )}
    </Shell>
  );
}
