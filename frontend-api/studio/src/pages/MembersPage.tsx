/** The members page of a workspace. */
import type { Me } from "@atelier/sdk";
import { Link } from "../app/router";
import { Notice } from "../ui/parts";
import { Members } from "./Members";
import { Shell } from "./Shell";

export function MembersPage({ me, workspaceId }: { me: Me; workspaceId: string }) {
  const workspace = me.workspaces.find((candidate) => candidate.id === workspaceId);
  if (workspace === undefined) return <Notice title="This workspace isn't here">You may not be a member of it any more.</Notice>;
  return (
    <Shell me={me}>
      <nav className="crumbs" aria-label="Where you are">
        <Link href="/">Projects</Link>
      </nav>
      <div className="narrow">
        <header className="page-head">
          <h1>Members of {workspace.name}</h1>
        </header>
        <Members me={me} workspaceId={workspaceId} />
      </div>
    </Shell>
  );
}
