import { parseAllDocuments } from 'yaml';

/** What the YAML (or JSON) of one file or stream says, one value for each of its documents; the empty ones are left out. */
export function readYamlDocuments(text: string): unknown[] {
  const documents = parseAllDocuments(text, { prettyErrors: false });
  if (!Array.isArray(documents)) return []; // there is nothing in it
  return documents.flatMap((document) => {
    const [error] = document.errors;
    if (error) throw new Error(`${error.message} (at character ${error.pos[0]})`);
    const value: unknown = document.toJS();
    return value === null || value === undefined ? [] : [value];
  });
}
