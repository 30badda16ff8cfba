/** Hides who is signed in and which page is shown. */
import { type Me, ApiError } from "@atelier/sdk";
import { Component, type ReactNode, Suspense, lazy, useEffect } from "react";
import { AccountPage } from "../pages/AccountPage";
import { HomePage } from "../pages/HomePage";
import { InvitePage } from "../pages/InvitePage";
import { MembersPage } from "../pages/MembersPage";
import { ModelsPage } from "../pages/ModelsPage";
import { ProjectPage } from "../pages/ProjectPage";
import { RecipePage } from "../pages/RecipePage";
import { RecipesPage } from "../pages/RecipesPage";
import { SignInPage } from "../pages/SignInPage";
import { Notice, Spinner, Trouble } from "../ui/parts";
import { getMe } from "./api";
import { useQuery } from "./query";
import { type Route, navigate, parse, usePath } from "./router";
import { fetchOrKept } from "./session";
import { Toasts } from "./toasts";

const BoardPage = lazy(() => import("../board/BoardPage"));

export function App() {
  const route = parse(usePath());
  return (
    <>
      <Caught>
        <Anybody route={route} />
      </Caught>
      <Toasts />
    </>
  );
}

function Anybody({ route }: { route: Route }) {
  if (route.page === "sign-in") return <SignInPage />;
  if (route.page === "invite") return <InvitePage secret={route.secret} />;
  return <SignedIn route={route} />;
}

/** A mistake of ours ends here, with a way on, instead of a white page. */
class Caught extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };
  static getDerivedStateFromError() {
    return { failed: true };
  }
  override render() {
    if (!this.state.failed) return this.props.children;
    return (
      <Notice title="Something broke on this page" home={false}>
        Your drawing is kept. <button className="button" onClick={() => location.reload()}>Reload the page</button>
      </Notice>
    );
  }
}

function SignedIn({ route }: { route: Route }) {
  const me = useQuery("me", () => fetchOrKept<Me>("me", getMe));
  const signedOut = me.error instanceof ApiError && me.error.status === 401;
  useEffect(() => {
    if (signedOut) navigate(signInPath(), { replace: true });
  }, [signedOut]);
  if (me.data !== null) return <Page route={route} me={me.data} />;
  if (me.error !== null && !signedOut) return <Trouble error={me.error} onRetry={me.reload} />;
  return <Spinner label="Opening Atelier" />;
}

export function signInPath(): string {
  const here = location.pathname;
  return here === "/" ? "/sign-in" : `/sign-in?next=${encodeURIComponent(here)}`;
}

function Page({ route, me }: { route: Route; me: Me }) {
  if (route.page === "home") return <HomePage me={me} />;
  if (route.page === "project") return <ProjectPage me={me} projectId={route.id} />;
  if (route.page === "members") return <MembersPage me={me} workspaceId={route.id} />;
  if (route.page === "recipes") return <RecipesPage key={route.id} me={me} workspaceId={route.id} />;
  if (route.page === "recipe") return <RecipePage key={route.recipeId} me={me} workspaceId={route.id} recipeId={route.recipeId} />;
  if (route.page === "account") return <AccountPage me={me} />;
  if (route.page === "models") return <ModelsPage me={me} />;
  if (route.page === "board") {
    return (
      <Suspense fallback={<Spinner label="Opening the board" />}>
        <BoardPage key={route.id} me={me} documentId={route.id} />
      </Suspense>
    );
  }
  return <Notice title="There is nothing here">The address may have a typing mistake in it.</Notice>;
}
