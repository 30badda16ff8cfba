/** Where the person is signed in, and ending that. */
import type { Session } from "@atelier/sdk";
import { endOtherSessions, endSession, listSessions } from "../app/account";
import { useQuery } from "../app/query";
import { toast, toastError } from "../app/toasts";
import { device, when } from "../app/words";
import { Ask } from "../ui/Ask";
import { Icon } from "../ui/Icon";
import { Spinner, Trouble } from "../ui/parts";
import { Password } from "./Password";

export function Sessions({ email }: { email: string }) {
  const sessions = useQuery("sessions", listSessions);
  const end = async (act: () => Promise<unknown>, said: string) => {
    try {
      await act();
      toast(said);
    } catch (error) {
      toastError(error);
    }
    sessions.reload();
  };
  const others = sessions.data?.items.filter((session) => !session.current) ?? [];
  const ordered = [...(sessions.data?.items ?? [])].sort((a, b) => Number(b.current) - Number(a.current));
  return (
    <section className="account-part" aria-labelledby="sessions">
      <header className="part-head">
        <div>
          <h2 id="sessions">Where you are signed in</h2>
          <p className="quiet">A browser that you don't know? Sign it out, and change your password.</p>
        </div>
        {others.length > 1 && (
          <Ask label="Sign out everywhere else" act="Sign out everywhere else" keep="Cancel" onYes={() => end(endOtherSessions, "You are signed out everywhere else.")} />
        )}
      </header>
      {sessions.error !== null && sessions.data === null && <Trouble error={sessions.error} onRetry={sessions.reload} />}
      {sessions.data === null && sessions.error === null && <Spinner label="Reading your sessions" />}
      <ul className="rows">
        {ordered.map((session) => (
          <SessionRow key={session.id} session={session} onEnd={() => end(() => endSession(session.id), "That browser is signed out.")} />
        ))}
      </ul>
      <Password email={email} onChanged={sessions.reload} />
    </section>
  );
}

function SessionRow({ session, onEnd }: { session: Session; onEnd: () => Promise<void> }) {
  const name = device(session.device);
  return (
    <li className="row">
      <span className="row-icon">
        <Icon name="screen" />
      </span>
      <div className="row-what">
        <strong>
          {name}
          {session.current && <span className="tag good">this browser</span>}
        </strong>
        <span className="quiet">
          {session.address !== null && `${session.address} · `}
          {session.current ? "active now" : `last seen ${when(session.last_seen_at)}`} · signed in {when(session.created_at)}
        </span>
      </div>
      {!session.current && <Ask label="Sign out" act={`Sign out ${name}`} onYes={onEnd} />}
    </li>
  );
}
