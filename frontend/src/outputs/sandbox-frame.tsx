import { useEffect, useEffectEvent, useRef, useState } from "react";
import { useTheme } from "../app/theme.tsx";
import { record } from "./figure.ts";
import { guardFocus } from "./focus-guard.ts";
import sandboxUrl from "./sandbox.html?url&no-inline";

/** The frame is as tall as its content between these, in px; beyond them it scrolls. */
const shortest = 24;
const tallest = 1600;

/** So often a script may take the keys of whom types elsewhere until it is stopped. */
const tolerated = 3;

/**
 * HTML that a cell made. Its scripts run, in a frame with an origin of its own,
 * from which they reach neither this page nor the service, and under a policy
 * that gives them no network: the answer with `sandbox.html` carries it. All
 * that this page takes from the frame is how tall it wants to be, and an
 * address that it asks to open.
 */
export function SandboxFrame({ html, label }: { html: string; label: string }) {
  const { theme } = useTheme();
  const frame = useRef<HTMLIFrameElement>(null);
  const shown = useRef(html);
  const [height, setHeight] = useState(shortest);
  const [stopped, setStopped] = useState(false);
  const [asked, setAsked] = useState<string | null>(null);

  // Its origin is nobody's and can't be named; the window is the frame's alone.
  const tell = (message: { theme: string; html?: string }) => frame.current?.contentWindow?.postMessage(message, "*");

  const take = useEffectEvent((said: Record<string, unknown>) => {
    if (said.ready === true) tell({ theme, html });
    if (typeof said.height === "number" && Number.isFinite(said.height)) {
      setHeight(Math.min(tallest, Math.max(shortest, said.height)));
    }
    if (typeof said.link === "string") setAsked(webAddress(said.link));
  });

  useEffect(() => {
    const listen = (event: MessageEvent) => {
      if (event.source !== null && event.source === frame.current?.contentWindow) take(record(event.data));
    };
    window.addEventListener("message", listen);
    return () => {
      window.removeEventListener("message", listen);
    };
  }, []);

  useEffect(() => {
    if (frame.current === null) return;
    let thefts = 0;
    return guardFocus(frame.current, () => {
      thefts += 1;
      setStopped(thefts >= tolerated);
    });
  }, [stopped]);

  useEffect(() => {
    tell({ theme });
  }, [theme]);

  useEffect(() => {
    if (shown.current === html) return;
    shown.current = html;
    setAsked(null);
    setStopped(false);
    // A fresh document, without what the last one left running, and without an entry in the history.
    frame.current?.contentWindow?.location.replace(sandboxUrl);
  }, [html]);

  if (stopped) {
    return (
      <p className="output-problem" role="status">
        This output was stopped: it kept taking the keyboard away from the page.{" "}
        <button
          type="button"
          className="link-button"
          onClick={() => {
            setStopped(false);
          }}
        >
          Show it again
        </button>
      </p>
    );
  }
  return (
    <>
      <iframe
        ref={frame}
        className="html-output"
        title={`HTML made by ${label}`}
        sandbox="allow-scripts"
        src={sandboxUrl}
        loading="lazy"
        style={{ height }}
      />
      {asked !== null && (
        <p className="html-link" role="status">
          <span>This output asks to open</span>
          <a href={asked} target="_blank" rel="noopener noreferrer">
            {asked.length > 120 ? `${asked.slice(0, 120)}…` : asked}
          </a>
          <button
            type="button"
            className="link-button"
            onClick={() => {
              setAsked(null);
            }}
          >
            Dismiss
          </button>
        </p>
      )}
    </>
  );
}

/** The address if it leads to another site, else null: links to this one would have our origin. */
function webAddress(link: string): string | null {
  const url = URL.canParse(link) ? new URL(link) : null;
  if (url === null || !["http:", "https:", "mailto:"].includes(url.protocol)) return null;
  return url.origin === window.location.origin ? null : url.href;
}
