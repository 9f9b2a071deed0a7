import type { DatabaseSync } from 'node:sqlite';

/** The statements of the index, each prepared once. */
export type Statements = ReturnType<typeof prepareStatements>;

/** Prepares every statement of the index. Arguments are bound in the order of the question marks. */
export function prepareStatements(database: DatabaseSync) {
  const prepare = (sql: string) => database.prepare(sql);
  return {
    findRepository: prepare('SELECT id FROM repositories WHERE registry = ? AND name = ?'),
    addRepository: prepare('INSERT INTO repositories (registry, name) VALUES (?, ?) ON CONFLICT DO NOTHING'),
    listRepositories: prepare(`
      SELECT registry, name FROM repositories WHERE (registry, name) > (?, ?) AND ${isInUse}
      ORDER BY registry, name LIMIT ?`),
    listRegistry: prepare(`
      SELECT registry, name FROM repositories WHERE registry = ? AND name > ? AND ${isInUse}
      ORDER BY registry, name LIMIT ?`),

    getTag: prepare(
      'SELECT digest, media_type, size_bytes, checked_at_ms FROM tags WHERE repository_id = ? AND name = ?',
    ),
    putTag: prepare(`
      INSERT INTO tags (repository_id, name, digest, media_type, size_bytes, checked_at_ms) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (repository_id, name) DO UPDATE SET digest = excluded.digest, media_type = excluded.media_type,
        size_bytes = excluded.size_bytes, checked_at_ms = excluded.checked_at_ms`),
    removeTag: prepare('DELETE FROM tags WHERE repository_id = ? AND name = ?'),
    listTags: prepare('SELECT name FROM tags WHERE repository_id = ? AND name > ? ORDER BY name LIMIT ?'),

    getLink: prepare('SELECT media_type FROM links WHERE repository_id = ? AND digest = ?'),
    // A manifest that is fetched as a blob too stays a manifest.
    putLink: prepare(`
      INSERT INTO links (repository_id, digest, media_type, linked_at_ms) VALUES (?, ?, ?, ?)
      ON CONFLICT (repository_id, digest) DO UPDATE SET
        media_type = coalesce(excluded.media_type, media_type), linked_at_ms = excluded.linked_at_ms`),
    removeLink: prepare('DELETE FROM links WHERE repository_id = ? AND digest = ?'),
    removeLinks: prepare('DELETE FROM links WHERE digest = ?'),

    putContent: prepare(`
      INSERT INTO contents (digest, size_bytes, used_at_ms) VALUES (?, ?, ?)
      ON CONFLICT (digest) DO UPDATE SET
        size_bytes = excluded.size_bytes, used_at_ms = max(used_at_ms, excluded.used_at_ms)`),
    removeContent: prepare('DELETE FROM contents WHERE digest = ?'),
    recordUse: prepare('UPDATE contents SET used_at_ms = ?1 WHERE digest = ?2 AND used_at_ms < ?1'),
    totals: prepare('SELECT contents, size_bytes FROM totals'),
  };
}

const isInUse = `(EXISTS (SELECT 1 FROM tags WHERE repository_id = repositories.id)
  OR EXISTS (SELECT 1 FROM links WHERE repository_id = repositories.id))`;
