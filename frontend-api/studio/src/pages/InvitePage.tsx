/** Where an invitation's link leads: join with the account that one has, or make one and join. */
import { ApiError, type InvitationFound, type Me } from "@atelier/sdk";
import { type FormEvent, type ReactNode, useState } from "react";
import { acceptInvitation, readInvitation } from "../app/account";
import { getMe } from "../app/api";
import { useQuery } from "../app/query";
import { SignInRefused, signOut, signUp } from "../app/session";
import { sentence } from "../app/toasts";
import { Mark } from "../ui/Icon";
import { Spinner, ThemeToggle, Trouble } from "../ui/parts";

const GONE: Record<string, string> = {
  invitation_expired: "This link has expired. Ask whoever invited you for a new one.",
  invitation_revoked: "This invitation was taken back, or a newer link was sent in its place.",
  invitation_used: "This link was used already. If it was you, sign in and find the workspace there.",
};

async function nobodyWhenSignedOut(): Promise<{ me: Me | null }> {
  try {
    return { me: await getMe() };
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return { me: null };
    throw error;
  }
}

export function InvitePage({ secret }: { secret: string }) {
  const found = useQuery(`invitation ${secret}`, () => readInvitation(secret));
  const who = useQuery("invited", nobodyWhenSignedOut);
  const gone = found.error instanceof ApiError && found.error.status < 500;
  if (gone) {
    return (
      <Card title="This invitation opens nothing">
        <p className="quiet">{GONE[(found.error as ApiError).code] ?? "Perhaps a part of the link is missing. Copy the whole of it."}</p>
        <a className="button wide" href="/">
          Go to Atelier
        </a>
      </Card>
    );
  }
  const trouble = found.error ?? who.error;
  if (trouble !== null) return <Trouble error={trouble} onRetry={() => (found.reload(), who.reload())} />;
  if (found.data === null || who.data === null) return <Spinner label="Opening the invitation" />;
  return <Invited secret={secret} found={found.data} me={who.data.me} />;
}

function Invited({ secret, found, me }: { secret: string; found: InvitationFound; me: Me | null }) {
  const title = `Join ${found.workspace_name}`;
  const words = (
    <p className="quiet">
      <strong>{found.invited_by}</strong> invites you to work together, as {found.role}.
    </p>
  );
  if (me === null) {
    return (
      <Card title={title} words={words}>
        <SignUpForm secret={secret} email={found.email} />
      </Card>
    );
  }
  if (me.email !== found.email) {
    return (
      <Card title={title} words={words}>
        <p>
          The invitation is for <strong>{found.email}</strong>, and you are signed in as {me.email}.
        </p>
        <button type="button" className="button primary wide" onClick={() => void signOut().then(() => location.reload())}>
          Sign out and go on
        </button>
      </Card>
    );
  }
  return (
    <Card title={title} words={words}>
      <JoinButton secret={secret} />
    </Card>
  );
}

/** Runs `act`, with its trouble in words; then the person is in, by a whole load. */
function useJoining(act: (form: FormData) => Promise<void>) {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(null);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    setBusy(true);
    setTrouble(null);
    try {
      await act(fields);
      location.assign("/");
    } catch (error) {
      setTrouble(error instanceof SignInRefused ? error.message : sentence(error));
      setBusy(false);
    }
  };
  return { busy, trouble, submit };
}

function JoinButton({ secret }: { secret: string }) {
  const { busy, trouble, submit } = useJoining(async () => void (await acceptInvitation(secret)));
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Wrong trouble={trouble} />
      <button className="button primary wide" type="submit" disabled={busy} autoFocus>
        {busy ? "Joining…" : "Join"}
      </button>
    </form>
  );
}

function SignUpForm({ secret, email }: { secret: string; email: string }) {
  const { busy, trouble, submit } = useJoining(async (fields) => {
    await signUp({ email, name: String(fields.get("name")).trim(), password: String(fields.get("password")), invitation: secret });
    await acceptInvitation(secret);
  });
  return (
    <form className="sign-up" onSubmit={(event) => void submit(event)}>
      <label className="field">
        <span>E-mail address</span>
        <input name="email" type="email" value={email} autoComplete="username" readOnly />
      </label>
      <label className="field">
        <span>Your name</span>
        <input name="name" required maxLength={200} autoComplete="name" autoFocus />
      </label>
      <label className="field">
        <span>Choose a password</span>
        <input name="password" type="password" autoComplete="new-password" required minLength={8} />
      </label>
      <Wrong trouble={trouble} />
      <button className="button primary wide" type="submit" disabled={busy}>
        {busy ? "Joining…" : "Make an account and join"}
      </button>
      <p className="quiet sign-up-else">
        You have an account? <a href={`/sign-in?next=${encodeURIComponent(location.pathname)}`}>Sign in</a>
      </p>
    </form>
  );
}

function Wrong({ trouble }: { trouble: string | null }) {
  return trouble === null ? null : (
    <p className="form-trouble" role="alert">
      {trouble}
    </p>
  );
}

function Card({ title, words, children }: { title: string; words?: ReactNode; children: ReactNode }) {
  return (
    <main className="sign-in">
      <div className="sign-in-corner">
        <ThemeToggle />
      </div>
      <div className="sign-in-card">
        <Mark size={36} />
        <div className="invite-head">
          <h1>{title}</h1>
          {words}
        </div>
        {children}
      </div>
    </main>
  );
}
