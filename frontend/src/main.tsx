import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiClient } from "./api/client.ts";
import { App } from "./app/app.tsx";
import { refusalOf, SessionProvider, takeToken } from "./app/session.tsx";
import "./styles/base.css";

const base = import.meta.env.VITE_API_BASE_URL ?? "";
// Before anything else, so that the token is in the address bar as briefly as can be.
const token = takeToken();

async function openSession(): Promise<{ signedIn: boolean; refusal: string | null }> {
  if (token === null) return { signedIn: true, refusal: null };
  try {
    await new ApiClient({ base }).signIn(token);
    return { signedIn: true, refusal: null };
  } catch (error) {
    return { signedIn: false, refusal: refusalOf(error) };
  }
}

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no element with the id root");
const session = await openSession();
createRoot(root).render(
  <StrictMode>
    <SessionProvider base={base} {...session}>
      <App />
    </SessionProvider>
  </StrictMode>,
);
