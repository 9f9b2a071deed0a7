const oldest = [24, 15] as const; // what package.json asks for, too

/** What to say when this Node.js is too old to run us; undefined when it is not. Imports nothing that it could not run. */
export function nodeVersionProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return undefined;
  return `Cannot run on Node.js ${version}: Entrepot needs ${oldest.join('.')} or newer, install it from https://nodejs.org`;
}
