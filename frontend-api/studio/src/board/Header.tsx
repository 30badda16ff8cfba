/** The bar over a board: where one is, whether it is saved, who else is here. */
import type { Me, Project, SavedState } from "@atelier/sdk";
import type { ReactNode } from "react";
import { Link } from "../app/router";
import { type Store, useStore } from "../app/store";
import { Icon, Mark } from "../ui/Icon";
import { Avatar, ThemeToggle } from "../ui/parts";
import { type Other, people } from "./presence";

interface Props {
  me: Me;
  name: string;
  project: Project | null;
  saved: Store<SavedState>;
  others: Store<readonly Other[]>;
  undo: ReactNode;
  readOnly: boolean;
  panelOpen: boolean;
  onPanel: () => void;
  onShare: () => void;
  onHelp: () => void;
}

export function Header({ me, name, project, saved, others, undo, readOnly, panelOpen, onPanel, onShare, onHelp }: Props) {
  return (
    <header className="board-bar">
      <Link href="/" className="brand" aria-label="Atelier, your projects" title="Your projects">
        <Mark size={24} />
      </Link>
      <nav className="board-where" aria-label="Where you are">
        {project !== null && (
          <>
            <Link href={`/p/${project.id}`} className="quiet">
              {project.name}
            </Link>
            <span className="quiet slash" aria-hidden="true">
              /
            </span>
          </>
        )}
        <h1>{name}</h1>
      </nav>
      <SavedBadge saved={saved} />
      {readOnly && <span className="badge">View only</span>}
      {undo}
      <div className="spacer" />
      <People me={me} others={others} />
      <button type="button" className="button" onClick={onShare}>
        <Icon name="people" size={16} />
        Members
      </button>
      <button type="button" className="icon-button help-button" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick={onHelp}>
        <Icon name="help" />
      </button>
      <ThemeToggle />
      <button type="button" className="icon-button" aria-label="Side panel" title="Side panel" aria-pressed={panelOpen} onClick={onPanel}>
        <Icon name="panel" />
      </button>
    </header>
  );
}

const WORDS: Record<SavedState, { label: string; help: string }> = {
  saved: { label: "Saved", help: "Everything you did is stored on the server." },
  saving: { label: "Saving", help: "Your last edits are on their way to the server." },
  offline: { label: "Offline", help: "No connection. Go on drawing: your edits are kept here and sent when the connection is back." },
};

function SavedBadge({ saved }: { saved: Store<SavedState> }) {
  const state = useStore(saved);
  const { label, help } = WORDS[state];
  return (
    <span className={`badge saved-${state}`} role="status" title={help} data-testid="saved" data-state={state}>
      <i aria-hidden="true" />
      {label}
    </span>
  );
}

function People({ me, others }: { me: Me; others: Store<readonly Other[]> }) {
  const found = people(useStore(others)).filter((other) => other.id !== me.id);
  return (
    <div className="people" role="group" aria-label={`${found.length + 1} here now`} data-testid="people">
      {found.slice(0, 5).map((other) => (
        <Avatar key={other.id} name={other.name} colour={other.colour} ring />
      ))}
      {found.length > 5 && <span className="avatar ring more">+{found.length - 5}</span>}
      <Avatar name={me.name} colour={me.colour} ring you />
    </div>
  );
}
