/** Starts the studio: styles, the service worker, the first page. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "@fontsource-variable/inter/wght.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/pages.css";
import "./styles/recipes.css";
import "./styles/steps.css";
import { App } from "./app/App";

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);

if (import.meta.env.PROD && "serviceWorker" in navigator) {
  window.addEventListener("load", () => {
    // Without it the studio works, but does not open offline: nothing to tell the person.
    navigator.serviceWorker.register("/sw.js").catch(() => undefined);
  });
}
