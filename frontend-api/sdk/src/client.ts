/** Hides how a request is signed (cookie, CSRF), and turns each refusal into one error with a stable code. */
import createClient, { type Client } from "openapi-fetch";
import type { paths } from "./schema";

export interface Problem {
  type?: string;
  title: string;
  status: number;
  detail?: string;
  code: string;
  [extra: string]: unknown;
}

/** The server's refusal (RFC 9457). `code` is stable; `message` is a sentence for people. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title);
    this.name = "ApiError";
  }
  get code(): string {
    return this.problem.code;
  }
  get status(): number {
    return this.problem.status;
  }
}

/** No answer came: the network or the server is away. Trying again later is safe. */
export class OfflineError extends Error {
  constructor(options?: ErrorOptions) {
    super("Atelier can't be reached right now.", options);
    this.name = "OfflineError";
  }
}

export type Atelier = Client<paths>;

export interface AtelierOptions {
  /** Where the server is; default: the page's own origin. */
  baseUrl?: string;
  /** For programs: an API token or other header for each request. Browsers use their session cookie. */
  headers?: Record<string, string>;
  timeoutMs?: number;
}

const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);

export function createAtelier({ baseUrl = "", headers = {}, timeoutMs = 20_000 }: AtelierOptions = {}): Atelier {
  const client = createClient<paths>({
    baseUrl,
    headers,
    credentials: "same-origin",
    fetch: (request: Request) => answer(request, timeoutMs),
  });
  client.use({
    onRequest({ request }) {
      const token = csrfToken();
      if (!SAFE.has(request.method) && token !== null) request.headers.set("X-CSRFToken", token);
      return request;
    },
  });
  return client;
}

async function answer(request: Request, timeoutMs: number): Promise<Response> {
  try {
    return await fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(timeoutMs)]) });
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw new OfflineError({ cause: error });
  }
}

export function csrfToken(): string | null {
  if (typeof document === "undefined") return null;
  return /(?:^|;\s*)csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? null;
}

/** The body of an answer, or the ApiError that it stands for. Usage: `const me = await unwrap(api.GET("/api/v1/me"))`. */
export async function unwrap<Data>(
  pending: Promise<{ data?: Data; error?: unknown; response: Response }>,
): Promise<Exclude<Data, undefined>> {
  const { data, error, response } = await pending;
  if (!response.ok) throw new ApiError(problemOf(error, response));
  return data as Exclude<Data, undefined>;
}

function problemOf(body: unknown, response: Response): Problem {
  if (typeof body === "object" && body !== null && "code" in body) return body as Problem;
  const title = response.status >= 500 ? "Atelier had a problem with this. Please try again." : "Atelier refused this.";
  return { title, status: response.status, code: `http_${response.status}` };
}
