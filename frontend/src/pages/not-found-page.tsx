import { Link } from "react-router";
import { usePageTitle } from "../lib/page-title.ts";

export function NotFoundPage() {
  usePageTitle("Page not found");
  return (
    <main className="message-page" data-testid="not-found">
      <p className="message-code">404</p>
      <h1>There is no page here</h1>
      <p>The address may have a slip in it, or what it led to has moved.</p>
      <Link to="/" className="button primary">
        All notebooks
      </Link>
    </main>
  );
}
