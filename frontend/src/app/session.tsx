import { createContext, type ReactNode, use, useCallback, useEffect, useMemo, useState } from "react";
import { ApiClient } from "../api/client.ts";
import { describe, isSignedOut } from "../api/error.ts";

interface Session {
  client: ApiClient;
  /** False once the service has refused a request for want of a session. */
  signedIn: boolean;
  /** Rises with each sign-in: what was refused may be asked again. */
  generation: number;
  /** Why the token of the address was not accepted. */
  refusal: string | null;
  signIn: (token: string) => Promise<void>;
}

const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = use(SessionContext);
  if (session === null) throw new Error("useSession needs a SessionProvider above it");
  return session;
}

export function useClient(): ApiClient {
  return useSession().client;
}

interface Props {
  base: string;
  fetch?: typeof fetch;
  /** How trading the token of the address for a session went; null: no token. */
  refusal: string | null;
  signedIn: boolean;
  children: ReactNode;
}

/** Knows whether the service accepts this browser, and holds the one API client. */
export function SessionProvider({ base, fetch, refusal, signedIn, children }: Props) {
  const [state, setState] = useState({ signedIn, generation: 0, refusal });

  const client = useMemo(
    () =>
      new ApiClient({
        base,
        ...(fetch ? { fetch } : {}),
        onUnauthorized: () => {
          setState((now) => (now.signedIn ? { ...now, signedIn: false } : now));
        },
      }),
    [base, fetch],
  );

  const signIn = useCallback(
    async (token: string) => {
      await client.signIn(token);
      setState((now) => ({ signedIn: true, generation: now.generation + 1, refusal: null }));
    },
    [client],
  );

  useEffect(() => {
    // A link with a token, followed while the page is open, only changes the fragment.
    const onHashChange = () => {
      const token = takeToken();
      if (token === null) return;
      signIn(token).catch((error: unknown) => {
        setState((now) => ({ ...now, signedIn: false, refusal: refusalOf(error) }));
      });
    };
    window.addEventListener("hashchange", onHashChange);
    return () => {
      window.removeEventListener("hashchange", onHashChange);
    };
  }, [signIn]);

  const session = useMemo(() => ({ client, signIn, ...state }), [client, signIn, state]);
  return <SessionContext value={session}>{children}</SessionContext>;
}

/**
 * Takes the token out of the address bar, so that it stays neither in the
 * history nor in a copied link, and returns it.
 */
export function takeToken(): string | null {
  const fragment = new URLSearchParams(window.location.hash.slice(1));
  const token = fragment.get("token");
  if (token === null) return null;
  fragment.delete("token");
  const rest = fragment.size > 0 ? `#${fragment}` : "";
  const { pathname, search } = window.location;
  window.history.replaceState(window.history.state, "", pathname + search + rest);
  return token.trim();
}

/** Why a token was not traded for a session. */
export function refusalOf(error: unknown): string {
  return isSignedOut(error)
    ? "That token is not the one this service was started with."
    : describe(error);
}
