// Placeholder until openapi.json exists; `npm run snapshot` overwrites it.
// eslint-disable-next-line
export type paths = any;
