const units = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const;

/** How long ago something was, for people: `3 hours ago`. */
export function formatAge(atMs: number, nowMs: number): string {
  const seconds = Math.floor((nowMs - atMs) / 1000);
  const [name, size] = units.find(([, length]) => seconds >= length) ?? [];
  if (name === undefined) return 'just now'; // or later, by a clock that was set back
  const count = Math.floor(seconds / size);
  return `${count} ${name}${count === 1 ? '' : 's'} ago`;
}
