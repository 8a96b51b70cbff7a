import { Component, lazy, type ReactNode, Suspense } from "react";
import { BrowserRouter, Route, Routes } from "react-router";
import { ListPage } from "../pages/list-page.tsx";
import { NotFoundPage } from "../pages/not-found-page.tsx";
import { useSession } from "./session.tsx";
import { SignIn } from "./sign-in.tsx";
import { ThemeProvider } from "./theme.tsx";
import { ToastProvider } from "./toasts.tsx";

const NotebookPage = lazy(() => import("../pages/notebook/notebook-page.tsx"));

export function App() {
  const { signedIn } = useSession();
  return (
    <ThemeProvider>
      <ToastProvider>
        {!signedIn && <SignIn />}
        {/* Kept while someone signs in again: what was typed and not saved is in there. */}
        <div className="app" inert={!signedIn} hidden={!signedIn}>
          <BrowserRouter>
            <CrashBoundary>
              <Suspense fallback={<p className="page-loading">Loading…</p>}>
                <Routes>
                  <Route path="/" element={<ListPage />} />
                  <Route path="/notebooks/:id" element={<NotebookPage />} />
                  <Route path="*" element={<NotFoundPage />} />
                </Routes>
              </Suspense>
            </CrashBoundary>
          </BrowserRouter>
        </div>
      </ToastProvider>
    </ThemeProvider>
  );
}

/** A part of the page that could not be loaded or drawn must not leave a white sheet. */
class CrashBoundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    if (!this.state.failed) return this.props.children;
    return (
      <main className="message-page" role="alert">
        <h1>This page could not be shown</h1>
        <p>A part of it did not load, or was replaced by a newer version meanwhile.</p>
        <button
          type="button"
          className="button primary"
          onClick={() => {
            window.location.reload();
          }}
        >
          Reload
        </button>
      </main>
    );
  }
}
