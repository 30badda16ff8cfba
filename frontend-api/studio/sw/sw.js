/**
 * The service worker: keeps the studio's shell, so that a board opens again without a network. Documents are in
 * IndexedDB, and API answers are the app's own business: nothing of them passes here.
 */
const VERSION = __VERSION__;
const SHELL = `atelier-shell-${VERSION}`;
const FILES = __PRECACHE__;
const NAVIGATION_TIMEOUT_MS = 4000;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(SHELL);
      await Promise.all([cache.add(new Request("/", { cache: "reload" })), cache.addAll(FILES)]);
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const names = await caches.keys();
      await Promise.all(names.filter((name) => name.startsWith("atelier-shell-") && name !== SHELL).map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate" && /^\/($|sign-in|p\/|w\/|d\/)/.test(url.pathname)) event.respondWith(page(request));
  else if (url.pathname.startsWith("/static/studio/")) event.respondWith(file(request));
});

/** The network first, for a new version and a new cookie; the kept shell when there is none. */
async function page(request) {
  try {
    const answer = await fetch(request, { signal: AbortSignal.timeout(NAVIGATION_TIMEOUT_MS) });
    if (answer.status < 500) return answer;
  } catch {
    // away: fall through to the shell
  }
  const shell = await caches.match("/", { cacheName: SHELL });
  return shell ?? Response.error();
}

/** Names hold a digest of the content: what is kept is right for ever. */
async function file(request) {
  const kept = await caches.match(request, { ignoreVary: true });
  if (kept !== undefined) return kept;
  const answer = await fetch(request);
  if (answer.ok) {
    const cache = await caches.open(SHELL);
    await cache.put(request, answer.clone());
  }
  return answer;
}
