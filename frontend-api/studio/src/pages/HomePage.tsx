/** Home: the workspaces of a person, their projects, the boards in each. */
import type { Document, Me, Project, WorkspaceMembership } from "@atelier/sdk";
import { foundWorkspace } from "../app/account";
import { createProject, listDocuments, listProjects } from "../app/api";
import { useQuery } from "../app/query";
import { Link, navigate } from "../app/router";
import { fetchOrKept } from "../app/session";
import { Icon } from "../ui/Icon";
import { Trouble } from "../ui/parts";
import { CreateForm } from "./CreateForm";
import { Shell } from "./Shell";

interface ProjectWithBoards extends Project {
  documents: Document[];
}

async function readProjects(workspaceId: string): Promise<ProjectWithBoards[]> {
  const { items } = await listProjects(workspaceId);
  return Promise.all(items.map(async (project) => ({ ...project, documents: (await listDocuments(project.id)).items })));
}

/** By a whole load: what is known of the person changes. */
async function found(name: string): Promise<void> {
  await foundWorkspace(name);
  location.assign("/");
}

export function HomePage({ me }: { me: Me }) {
  return (
    <Shell me={me}>
      {me.workspaces.length === 0 && (
        <div className="empty">
          <h1>Welcome, {me.name || me.email}</h1>
          <p>You are not in a workspace yet. Make one, or ask a colleague to invite {me.email}.</p>
        </div>
      )}
      {me.workspaces.map((workspace) => (
        <Workspace key={workspace.id} workspace={workspace} />
      ))}
      <footer className="more-workspaces">
        <CreateForm label="New workspace" placeholder="Name of the workspace" create={found} />
      </footer>
    </Shell>
  );
}

function Workspace({ workspace }: { workspace: WorkspaceMembership }) {
  const projects = useQuery(`projects ${workspace.id}`, () => fetchOrKept(`projects.${workspace.id}`, () => readProjects(workspace.id)));
  const mayCreate = workspace.role !== "viewer" && workspace.role !== "commenter";
  const create = async (name: string) => {
    const project = await createProject(workspace.id, name);
    navigate(`/p/${project.id}`);
  };
  return (
    <section className="workspace" aria-label={workspace.name}>
      <header className="page-head">
        <h1>{workspace.name}</h1>
        <div className="spacer" />
        <Link href={`/w/${workspace.id}/recipes`} className="button">
          <Icon name="recipe" size={16} />
          Recipes
        </Link>
        <Link href={`/w/${workspace.id}/members`} className="button">
          <Icon name="people" size={16} />
          Members
        </Link>
        {mayCreate && <CreateForm label="New project" placeholder="Name of the project" create={create} />}
      </header>
      {projects.error !== null && projects.data === null && <Trouble error={projects.error} onRetry={projects.reload} />}
      {projects.data === null && projects.error === null && <CardSkeletons />}
      {projects.data?.length === 0 && (
        <div className="empty">
          <p>No project yet. A project holds the boards and photos of one piece of work.</p>
        </div>
      )}
      <div className="cards">
        {projects.data?.map((project) => (
          <article key={project.id} className="card">
            <h2>
              <Link href={`/p/${project.id}`}>{project.name}</Link>
            </h2>
            {project.documents.length === 0 && <p className="quiet">No board yet</p>}
            <ul className="card-list">
              {project.documents.slice(0, 4).map((document) => (
                <li key={document.id}>
                  <Link href={`/d/${document.id}`}>
                    <Icon name="board" size={16} />
                    <span>{document.name}</span>
                  </Link>
                </li>
              ))}
            </ul>
          </article>
        ))}
      </div>
    </section>
  );
}

export function CardSkeletons() {
  return (
    <div className="cards" aria-hidden="true">
      {[0, 1, 2].map((i) => (
        <div key={i} className="card skeleton" />
      ))}
    </div>
  );
}
