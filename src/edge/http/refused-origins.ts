// Tells of each origin that is refused, once: a page that cannot call says so in its own console alone.

const MAX_ORIGINS = 20;
const MAX_LENGTH = 300;

/** Calls `tell` for an origin that it has not told of, `own` aside, for MAX_ORIGINS of them at most: anybody can make them up. */
export function refusedOrigins(own: string, tell: (origin: string) => void): (origin: string) => void {
  const told = new Set<string>();
  return (origin) => {
    if (origin === own || told.size >= MAX_ORIGINS || origin.length > MAX_LENGTH || told.has(origin)) return;
    told.add(origin);
    tell(origin);
  };
}
