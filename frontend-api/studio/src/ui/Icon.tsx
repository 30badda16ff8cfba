/** The studio's icons: 20-unit strokes in the text's own colour. */
const PATHS = {
  plus: "M10 4v12M4 10h12",
  close: "M5 5l10 10M15 5 5 15",
  chevron: "M8 5l5 5-5 5",
  back: "M12 5l-5 5 5 5",
  undo: "M7 5 3.5 8.5 7 12M4 8.5h7.5a4 4 0 0 1 0 8H9",
  redo: "m13 5 3.5 3.5L13 12m3-3.5H8.5a4 4 0 0 0 0 8H11",
  sun: "M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7ZM10 2v1.6M10 16.4V18M2 10h1.6M16.4 10H18M4.3 4.3l1.1 1.1M14.6 14.6l1.1 1.1M15.7 4.3l-1.1 1.1M5.4 14.6l-1.1 1.1",
  moon: "M16.5 11.8A6.8 6.8 0 0 1 8.2 3.5a6.8 6.8 0 1 0 8.3 8.3Z",
  people: "M7.5 9.5a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6ZM2.5 16c.4-2.7 2.4-4.2 5-4.2s4.600 1.500 5 4.200M13.200 4.300a2.500 2.500 0 0 1 0 4.800M14.500 12.100c1.700.5 2.700 1.800 3 3.900",
  photo: "M3.500 4.500h13v11h-13zM3.500 13l3.700-3.700 3 3 2-2 4.300 4.200M12.600 7.600h.01",
  sparkle: "M10 3l1.600 4.400L16 9l-4.400 1.600L10 15l-1.600-4.400L4 9l4.400-1.600L10 3ZM15.500 13.500l.6 1.500 1.400.5-1.400.6-.6 1.400-.5-1.400-1.500-.6 1.500-.5.5-1.500Z",
  grain: "M3.500 4.500h13v11h-13zM6.500 8h.01M9 11h.01M7 13h.01M10.500 7.500h.01M13 9.500h.01M12 13h.01M14.500 6.500h.01M14.500 12h.01",
  outline: "M3 15.500c1.200-4.800 3.200-7.200 5.800-7.200 3 0 2.600 3.700 4.700 3.700 1.400 0 2.600-1 3.500-3M6.500 4.700h.01M3.500 15.500h13",
  facets: "M10 3 16 6.500v7L10 17l-6-3.500v-7L10 3ZM4 6.500 10 10l6-3.500M10 10v7",
  panel: "M3.500 4.500h13v11h-13zM12.500 4.500v11",
  help: "M7.800 7.700c.1-1.400 1-2.200 2.300-2.200s2.300.8 2.300 2c0 1.800-2.300 1.900-2.300 3.800M10.100 14.300h.01",
  alert: "M10 3.500 17.500 16h-15L10 3.500ZM10 8.500v3.500M10 14h.01",
  cloud: "M6 15.500a3.500 3.500 0 0 1-.3-7A4.600 4.600 0 0 1 14.500 8a3.800 3.800 0 0 1-.3 7.500H6Z",
  board: "M3.500 4h13v12h-13zM7 12.500c1.500-3.500 3 .5 4.300-2S13 7.500 13.500 7.500",
  text: "M5 6V4.500h10V6M10 4.500v11M8 15.500h4",
  rectangle: "M3.500 5.500h13v9h-13z",
  recipe: "M3 6.500h3M14 6.500h3M6 4h8v5H6zM10 9v2.500M6 11.500h8v5H6z",
  up: "M5 12l5-5 5 5",
  down: "M5 8l5 5 5-5",
  next: "M3.500 10h13M12 5.500l4.500 4.500-4.500 4.500",
  search: "M9 14.500a5.500 5.500 0 1 0 0-11 5.500 5.500 0 0 0 0 11ZM13 13l3.500 3.500",
  arrow: "M4 16 16 4M8.500 4H16v7.500",
  draw: "M4 16l1-4 8.500-8.500 3 3L8 15l-4 1ZM11.500 5.500l3 3",
  trash: "M4 6h12M8 6V4h4v2M5.500 6l.8 10h7.400l.8-10",
  check: "M4.500 10.500 8.500 14.500 15.500 6",
  copy: "M7.500 7.500h9v9h-9zM4 12.500H3.500v-9h9V4",
  key: "M12.500 11.500a4 4 0 1 0-3.600-2.300L3.500 14.600V17H6v-2h2v-2h1.500l1.300-1.800c.5.200 1.100.3 1.700.3ZM13.500 6.700h.01",
  mail: "M3.500 5h13v10h-13zM3.500 6l6.500 5 6.500-5",
  screen: "M3 4.500h14v9H3zM7.500 16.500h5M10 13.500v3",
  model: "M10 3 16.500 6.500v7L10 17l-6.500-3.500v-7L10 3ZM3.500 6.500 10 10l6.500-3.500M10 10v7",
  signout: "M8 4H4v12h4M12.500 6.500 16 10l-3.500 3.500M16 10H8",
  info: "M10 9v5M10 6.200h.01M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14Z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Mark({ size = 26 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" className="mark">
      <rect width="32" height="32" rx="8" fill="currentColor" />
      <path d="M9 23 16 8l7 15" fill="none" stroke="var(--surface)" strokeWidth="2.6" strokeLinecap="round" strokeLinejoin="round" />
      <circle cx="16" cy="19.200" r="2.300" fill="var(--accent)" />
    </svg>
  );
}
