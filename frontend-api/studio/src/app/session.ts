/** Hides sign-in and sign-out (allauth headless), and what this browser keeps of a person for offline use. */
import { type Me, OfflineError, csrfToken } from "@atelier/sdk";

const ALLAUTH = "/_allauth/browser/v1";
const KEPT = "atelier.kept.";

export class SignInRefused extends Error {}

async function call(method: string, path: string, body?: unknown, more: Record<string, string> = {}): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json", ...more };
  const token = csrfToken();
  if (token !== null) headers["X-CSRFToken"] = token;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(ALLAUTH + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (cause) {
    throw new OfflineError({ cause });
  }
}

export async function signIn(email: string, password: string): Promise<void> {
  if (csrfToken() === null) await call("GET", "/auth/session"); // brings the cookie
  const answer = await call("POST", "/auth/login", { email, password });
  if (!answer.ok && answer.status !== 409) await refuse(answer, "That didn't work. Check the address and the password."); // 409: signed in already
}

/** Makes an account by an invitation, and signs in with it. */
export async function signUp(wish: { email: string; name: string; password: string; invitation: string }): Promise<void> {
  const { invitation, ...body } = wish;
  if (csrfToken() === null) await call("GET", "/auth/session"); // brings the cookie
  const answer = await call("POST", "/auth/signup", body, { "X-Invitation": invitation });
  if (!answer.ok && answer.status !== 409) await refuse(answer, "That didn't work. If you have an account, sign in instead.");
}

/** Changes the password; the person's other browsers are signed out. */
export async function changePassword(current: string, wanted: string): Promise<void> {
  const answer = await call("POST", "/account/password/change", { current_password: current, new_password: wanted });
  if (!answer.ok) await refuse(answer, "That didn't work. Check the password of now.");
}

async function refuse(answer: Response, otherwise: string): Promise<never> {
  const said = (await answer.json().catch(() => null)) as { errors?: { message: string }[] } | null;
  if (answer.status === 429) throw new SignInRefused("Too many tries. Please wait a minute and try again.");
  throw new SignInRefused(said?.errors?.[0]?.message ?? otherwise);
}

/** Ends the session and forgets what this browser kept: documents, photos, names. */
export async function signOut(): Promise<void> {
  await call("DELETE", "/auth/session");
  for (const key of Object.keys(localStorage)) if (key.startsWith(KEPT)) localStorage.removeItem(key);
  await caches.delete("atelier-assets").catch(() => false);
  const databases = (await indexedDB.databases?.().catch(() => [])) ?? [];
  for (const { name } of databases) if (name?.startsWith("atelier/")) indexedDB.deleteDatabase(name);
}

/** Keeps an answer for the next time there is no network. */
export function keep<Value>(key: string, value: Value): Value {
  try {
    localStorage.setItem(KEPT + key, JSON.stringify(value));
  } catch {
    // storage is full or refused: then this page does not open offline
  }
  return value;
}

export function kept<Value>(key: string): Value | null {
  const text = localStorage.getItem(KEPT + key);
  return text === null ? null : (JSON.parse(text) as Value);
}

export function forget(key: string): void {
  localStorage.removeItem(KEPT + key);
}

/** The answer, or what was kept of it when the server can't be reached. */
export async function fetchOrKept<Value>(key: string, fetchNow: () => Promise<Value>): Promise<Value> {
  try {
    return keep(key, await fetchNow());
  } catch (error) {
    const old = error instanceof OfflineError ? kept<Value>(key) : null;
    if (old !== null) return old;
    throw error;
  }
}

export type { Me };
