import { type RefObject, useEffect, useState } from "react";

/** So far from the screen is near. */
const margin = "800px 0px";

/** One observer for all: each frame asks every observer, and a notebook has hundreds of cells. */
let observer: IntersectionObserver | null = null;
const watched = new Map<Element, (near: boolean) => void>();

function watch(element: Element, tell: (near: boolean) => void): () => void {
  observer ??= new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) watched.get(target)?.(isIntersecting);
    },
    { rootMargin: margin },
  );
  watched.set(element, tell);
  observer.observe(element);
  return () => {
    watched.delete(element);
    observer?.unobserve(element);
  };
}

/** Whether an element is on the screen or near it; always, where that can't be known. */
export function useNear(element: RefObject<Element | null>): boolean {
  const known = typeof IntersectionObserver === "function";
  const [near, setNear] = useState(!known);
  useEffect(() => {
    if (known && element.current !== null) return watch(element.current, setNear);
    return undefined;
  }, [known, element]);
  return near;
}
