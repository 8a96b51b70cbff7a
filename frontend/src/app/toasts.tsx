import {
  createContext,
  type ReactNode,
  use,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { describe } from "../api/error.ts";
import { Icon } from "../ui/icon.tsx";

interface Toast {
  id: number;
  tone: "info" | "error";
  text: string;
  action?: { label: string; run: () => void };
}

interface Toasts {
  show: (toast: Omit<Toast, "id">) => void;
  /** Says that something failed: "Can't delete the cell: …". */
  fail: (what: string, error: unknown) => void;
}

const ToastContext = createContext<Toasts | null>(null);
const shownFor = 8_000;
const shownAtMost = 4;

export function useToasts(): Toasts {
  const toasts = use(ToastContext);
  if (toasts === null) throw new Error("useToasts needs a ToastProvider above it");
  return toasts;
}

/** Short messages at the foot of the page, read out by screen readers. */
export function ToastProvider({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<Toast[]>([]);
  const nextId = useRef(1);

  const show = useCallback((toast: Omit<Toast, "id">) => {
    const id = nextId.current++;
    setToasts((shown) => {
      // The same message again replaces itself, so that a failure repeated is not a pile.
      const others = shown.filter((other) => other.text !== toast.text);
      return [...others, { ...toast, id }].slice(-shownAtMost);
    });
  }, []);

  const dismiss = useCallback((id: number) => {
    setToasts((shown) => shown.filter((toast) => toast.id !== id));
  }, []);

  const api = useMemo<Toasts>(
    () => ({
      show,
      fail: (what, error) => {
        show({ tone: "error", text: `${what}: ${describe(error)}` });
      },
    }),
    [show],
  );

  return (
    <ToastContext value={api}>
      {children}
      <div className="toasts" role="status" aria-live="polite">
        {toasts.map((toast) => (
          <ToastView key={toast.id} toast={toast} onDismiss={dismiss} />
        ))}
      </div>
    </ToastContext>
  );
}

function ToastView({ toast, onDismiss }: { toast: Toast; onDismiss: (id: number) => void }) {
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (held) return;
    const timer = setTimeout(() => {
      onDismiss(toast.id);
    }, shownFor);
    return () => {
      clearTimeout(timer);
    };
  }, [held, onDismiss, toast.id]);

  return (
    // Pointing at a message only keeps it from going away.
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions
    <div
      className="toast"
      data-tone={toast.tone}
      onPointerEnter={() => {
        setHeld(true);
      }}
      onPointerLeave={() => {
        setHeld(false);
      }}
      onFocus={() => {
        setHeld(true);
      }}
      onBlur={() => {
        setHeld(false);
      }}
    >
      <span>{toast.text}</span>
      {toast.action && (
        <button
          type="button"
          className="link-button"
          onClick={() => {
            toast.action?.run();
            onDismiss(toast.id);
          }}
        >
          {toast.action.label}
        </button>
      )}
      <button
        type="button"
        className="icon-button small"
        aria-label="Dismiss message"
        onClick={() => {
          onDismiss(toast.id);
        }}
      >
        <Icon name="close" />
      </button>
    </div>
  );
}
