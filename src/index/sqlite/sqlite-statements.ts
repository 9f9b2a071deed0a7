import type { DatabaseSync } from 'node:sqlite';

/** The statements about names, tags and links, each prepared once. */
export type Statements = ReturnType<typeof prepareStatements>;

/** Prepares the statements about names, tags and links. Arguments are bound in the order of the question marks. */
export function prepareStatements(database: DatabaseSync) {
  const prepare = (sql: string) => database.prepare(sql);
  return {
    listRepositories: prepare(`
      SELECT registry, name FROM repositories WHERE (registry, name) > (?, ?) AND ${isInUse}
      ORDER BY registry, name LIMIT ?`),
    listRegistry: prepare(`
      SELECT registry, name FROM repositories WHERE registry = ? AND name > ? AND ${isInUse}
      ORDER BY registry, name LIMIT ?`),

    getKind: prepare('SELECT kind FROM repositories WHERE id = ?'),
    putKind: prepare('UPDATE repositories SET kind = ?2 WHERE id = ?1 AND kind IS NOT ?2'),
    guardAll: prepare("UPDATE repositories SET kind = 'guarded' WHERE registry = ? AND kind IS NOT 'guarded'"),
    hasOpenHolder: prepare(`
      SELECT 1 FROM links CROSS JOIN repositories ON id = repository_id
      WHERE links.digest = ? AND repository_id > 0 AND kind = 'open' LIMIT 1`),

    getTag: prepare(
      'SELECT digest, media_type, size_bytes, checked_at_ms FROM tags WHERE repository_id = ? AND name = ?',
    ),
    putTag: prepare(`
      INSERT INTO tags (repository_id, name, digest, media_type, size_bytes, checked_at_ms) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (repository_id, name) DO UPDATE SET digest = excluded.digest, media_type = excluded.media_type,
        size_bytes = excluded.size_bytes, checked_at_ms = excluded.checked_at_ms`),
    removeTag: prepare('DELETE FROM tags WHERE repository_id = ? AND name = ?'),
    listTags: prepare('SELECT name FROM tags WHERE repository_id = ? AND name > ? ORDER BY name LIMIT ?'),

    // That a tag stands for stored content is as good as a link: the repository has it.
    linkTagged: prepare(`
      INSERT INTO links (repository_id, digest, media_type, linked_at_ms)
      SELECT ?1, digest, ?3, ?4 FROM contents WHERE digest = ?2
      ON CONFLICT (repository_id, digest) DO UPDATE SET media_type = excluded.media_type WHERE media_type IS NULL`),

    getLink: prepare(`
      SELECT media_type, size_bytes FROM links LEFT JOIN contents USING (digest)
      WHERE repository_id = ? AND links.digest = ?`),
    // A manifest that is fetched as a blob too stays a manifest.
    putLink: prepare(`
      INSERT INTO links (repository_id, digest, media_type, linked_at_ms) VALUES (?, ?, ?, ?)
      ON CONFLICT (repository_id, digest) DO UPDATE SET
        media_type = coalesce(excluded.media_type, media_type), linked_at_ms = excluded.linked_at_ms`),
    listDeadLinks: prepare(`
      SELECT registry, name, digest FROM links JOIN repositories ON id = repository_id
      WHERE repository_id >= 0 AND linked_at_ms < ? AND NOT EXISTS (SELECT 1 FROM contents WHERE contents.digest = links.digest) LIMIT ?`),
    removeLink: prepare('DELETE FROM links WHERE repository_id = ? AND digest = ?'),

    dataVersion: prepare('PRAGMA data_version'),
  };
}

const isInUse = `(EXISTS (SELECT 1 FROM tags WHERE repository_id = repositories.id)
  OR EXISTS (SELECT 1 FROM links WHERE repository_id = repositories.id))`;
