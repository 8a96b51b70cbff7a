import { type SyntheticEvent, useEffect, useId, useRef, useState } from "react";
import { Mark } from "../ui/icon.tsx";
import { refusalOf, useSession } from "./session.tsx";

/**
 * Asks for the token, over whatever page it was that the service refused;
 * that page stays as it is behind it.
 */
export function SignIn() {
  const { signIn, refusal } = useSession();
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState(refusal);
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const problemId = useId();

  useEffect(() => {
    field.current?.focus();
  }, []);

  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (busy || token.trim() === "") return;
    setBusy(true);
    setProblem(null);
    signIn(token.trim()).catch((error: unknown) => {
      setBusy(false);
      setProblem(refusalOf(error));
      field.current?.select();
    });
  };

  return (
    <main className="sign-in" data-testid="sign-in">
      <form className="sign-in-card" onSubmit={submit}>
        <Mark />
        <h1>Sign in</h1>
        <p>
          Open the address that the service printed when it started, or paste its token here. It is
          the part after <code>#token=</code>.
        </p>
        <label htmlFor={`${problemId}-token`}>Token</label>
        <input
          id={`${problemId}-token`}
          ref={field}
          type="password"
          autoComplete="current-password"
          spellCheck={false}
          value={token}
          aria-invalid={problem !== null}
          aria-describedby={problemId}
          onChange={(event) => {
            setToken(event.target.value);
          }}
        />
        <p id={problemId} className="field-problem" role="alert">
          {problem}
        </p>
        <button type="submit" className="button primary" disabled={busy || token.trim() === ""}>
          {busy ? "Signing in…" : "Sign in"}
        </button>
      </form>
    </main>
  );
}
