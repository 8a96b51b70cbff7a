import { act, fireEvent, render, screen } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ThemeProvider } from "../app/theme.tsx";
import { SandboxFrame } from "./sandbox-frame.tsx";

function show(html: string) {
  return render(<SandboxFrame html={html} label="cell 3" />, { wrapper: ThemeProvider });
}

const frame = () => screen.getByTitle<HTMLIFrameElement>("HTML made by cell 3");

function says(data: unknown, source: MessageEventSource | null = frame().contentWindow) {
  act(() => {
    window.dispatchEvent(new MessageEvent("message", { data, source }));
  });
}

describe("SandboxFrame", () => {
  beforeEach(() => {
    localStorage.clear();
  });

  it("has no origin of ours, and nothing of the HTML in the page", () => {
    show("<b>bold</b>");
    expect(frame()).toHaveAttribute("sandbox", "allow-scripts");
    expect(frame()).not.toHaveAttribute("srcdoc");
    expect(frame().getAttribute("src")).toMatch(/sandbox.*\.html/);
  });

  it("hands the HTML in when the frame asks for it, and nobody else", () => {
    show("<b>bold</b>");
    const post = vi.spyOn(frame().contentWindow ?? window, "postMessage");
    says({ ready: true }, window);
    expect(post).not.toHaveBeenCalled();
    says({ ready: true });
    expect(post).toHaveBeenCalledWith({ theme: "light", html: "<b>bold</b>" }, "*");
  });

  it("is as tall as the frame says, within bounds, and believes nobody else", () => {
    show("<p>x</p>");
    says({ height: 300 });
    expect(frame()).toHaveStyle({ height: "300px" });
    says({ height: 500 }, window);
    says({ height: "900px" });
    says({ height: Infinity });
    says("height");
    says(null);
    expect(frame()).toHaveStyle({ height: "300px" });
    says({ height: -5 });
    expect(frame()).toHaveStyle({ height: "24px" });
    says({ height: 1e9 });
    expect(frame()).toHaveStyle({ height: "1600px" });
  });

  it("opens no address by itself, and offers those of other sites alone", () => {
    show("<p>x</p>");
    for (const link of ["javascript:alert(1)", "data:text/html,x", `${window.location.origin}/x`, "nonsense", 7]) says({ link });
    expect(screen.queryByRole("link")).toBeNull();
    says({ link: "https://example.org/<b>" });
    expect(screen.getByRole("link")).toHaveAttribute("href", "https://example.org/%3Cb%3E");
    expect(screen.getByRole("link")).toHaveAttribute("rel", "noopener noreferrer");
    fireEvent.click(screen.getByRole("button", { name: "Dismiss" }));
    expect(screen.queryByRole("link")).toBeNull();
  });
});
