/**
 * Whether a cached repository is open to everybody, or guarded by upstream; null while nobody knows. What is here by now
 * was read by Entrepot's own identity, as nothing else was ever used: so those repositories are open.
 */
export const repositoryKinds = {
  id: 6,
  name: 'repository-kinds',
  sql: `
    ALTER TABLE repositories ADD COLUMN kind TEXT CHECK (kind IN ('open', 'guarded'));
    UPDATE repositories SET kind = 'open' WHERE id > 0;
  `,
};
