const paths = {
  plus: "M8 3v10M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  play: "M5 3.5v9l7-4.5z",
  playAll: "M3 3.5v9l5.5-4.5zM8.5 3.5v9l5.5-4.5z",
  refresh: "M13 8a5 5 0 1 1-1.6-3.7M13 2.5V5h-2.6",
  stop: "M4.5 4.5h7v7h-7z",
  restart: "M3 8a5 5 0 1 0 1.6-3.7M3 2.5V5h2.6",
  up: "M8 13V3.5M4 7.5l4-4 4 4",
  down: "M8 3v9.5M4 8.5l4 4 4-4",
  trash: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.4 10.4 14 14",
  sun: "M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6zM8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7",
  moon: "M13.2 9.6A5.5 5.5 0 0 1 6.4 2.8a5.5 5.5 0 1 0 6.8 6.8z",
  system: "M2.5 3.5h11v7.5h-11zM6 13.5h4",
  pencil: "M3 13l.7-2.8 7-7 2.1 2.1-7 7z",
  power: "M8 2.5v5M4.8 4.6a4.8 4.8 0 1 0 6.4 0",
  keyboard: "M1.5 4.5h13v7.5h-13zM4 7h.01M6.5 7h.01M9 7h.01M11.5 7h.01M5 9.7h6",
  check: "M3 8.5l3.2 3.2L13 5",
  chevron: "M6 4l4 4-4 4",
  download: "M8 2.5v7.5M4.8 7l3.2 3.2L11.2 7M3 13h10",
  upload: "M8 10.5V3M4.8 6.2 8 3l3.2 3.2M3 13h10",
  fold: "M3 8h10M8 1.5v4M6 3.8l2 2 2-2M8 14.5v-4M6 12.2l2-2 2 2",
  graph: "M2.5 2.5h4v3h-4zM9.5 6.5h4v3h-4zM2.5 10.5h4v3h-4zM6.5 4h1.5v4h1.5M6.5 12H8V8",
  command: "M2.5 3h11v10h-11zM5 6.2 6.8 8 5 9.8M8.2 10h3",
  app: "M2.5 3h11v10h-11zM2.5 6h11M4.5 4.5h.01M6.5 4.5h.01",
  eye: "M1.5 8S4 3.7 8 3.7 14.5 8 14.5 8 12 12.3 8 12.3 1.5 8 1.5 8zM8 9.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6z",
  plot: "M2.5 2.5v11h11M5 10l2.6-3.4 2.4 1.9 3.2-4.3",
  sort: "M4.5 3v10M2.5 11l2 2 2-2M8.5 4h5M8.5 8h3.5M8.5 12h2",
  minus: "M3 8h10",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  undo: "M3 6.5h6.5a3.5 3.5 0 0 1 0 7H6M3 6.5l3-3M3 6.5l3 3",
  copy: "M5.5 5.5h7.5v7.5h-7.5zM10.5 5.5V3h-7.5v7.5h2.5",
  outline: "M3 4h10M5.5 8h7.5M5.5 12h7.5M3 8h.01M3 12h.01",
  database: "M13 4.2c0 1-2.2 1.8-5 1.8S3 5.2 3 4.2 5.2 2.5 8 2.5s5 .7 5 1.7zM3 4.2v7.6c0 1 2.2 1.7 5 1.7s5-.7 5-1.7V4.2M3 8c0 1 2.2 1.8 5 1.8S13 9 13 8",
  variables: "M5.5 3C4 3 4 4.5 4 5.5S4 8 2.5 8C4 8 4 9.5 4 10.5S4 13 5.5 13M10.5 3C12 3 12 4.5 12 5.5S12 8 13.5 8C12 8 12 9.5 12 10.5S12 13 10.5 13",
} as const;

export type IconName = keyof typeof paths;

/** A line icon; decoration only, so its button must have a name of its own. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg
      className="icon"
      viewBox="0 0 16 16"
      width="16"
      height="16"
      fill="none"
      stroke="currentColor"
      strokeWidth={name === "more" ? 2.2 : 1.4}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={paths[name]} />
    </svg>
  );
}

/** The product's mark: a cell's rail, its lines, and the arrow that feeds it. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="7" className="mark-ground" />
      <path d="M9 7v18" stroke="#e8b04b" strokeWidth="3" strokeLinecap="round" />
      <path d="M14 10h9M14 16h6" stroke="#f4f1ea" strokeWidth="2.5" strokeLinecap="round" />
      <path
        d="M14 22h3.5a4 4 0 0 0 4-4v-.5m-2.4 2 2.4-2.4 2.4 2.4"
        fill="none"
        stroke="#7fd1b9"
        strokeWidth="2.2"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}
