import type { DatabaseSync } from 'node:sqlite';

/** The statements about stored contents, each prepared once. */
export type ContentStatements = ReturnType<typeof prepareContentStatements>;

const contentColumns = 'digest, size_bytes, stored_at_ms, used_at_ms, hits, rank, hosted';

/** Prepares the statements about stored contents. Arguments are bound in the order of the question marks, or of their numbers. */
export function prepareContentStatements(database: DatabaseSync) {
  const prepare = (sql: string) => database.prepare(sql);
  return {
    put: prepare(`
      INSERT INTO contents (digest, size_bytes, used_at_ms, stored_at_ms, hosted)
      VALUES (?1, ?2, ?3, ?3, EXISTS (SELECT 1 FROM links WHERE digest = ?1 AND repository_id < 0))
      ON CONFLICT (digest) DO UPDATE SET
        size_bytes = excluded.size_bytes, used_at_ms = max(used_at_ms, excluded.used_at_ms)`),
    putAnew: prepare(`
      UPDATE contents SET size_bytes = ?2, used_at_ms = max(used_at_ms, ?3), stored_at_ms = max(stored_at_ms + 1, ?3)
      WHERE digest = ?1`),
    isLinkedAsManifest: prepare('SELECT 1 FROM links WHERE digest = ? AND media_type IS NOT NULL LIMIT 1'),
    get: prepare(`SELECT ${contentColumns} FROM contents WHERE digest = ?`),
    remove: prepare('DELETE FROM contents WHERE digest = ?'),
    isStoredSince: prepare('SELECT 1 FROM contents WHERE digest = ? AND stored_at_ms = ?'),
    isHeld: prepare('SELECT 1 FROM links WHERE digest = ? AND repository_id < 0 LIMIT 1'),
    removeLinks: prepare('DELETE FROM links WHERE digest = ? AND repository_id >= 0'),
    removeTags: prepare('DELETE FROM tags WHERE digest = ?'),
    totals: prepare('SELECT contents, size_bytes FROM totals'),

    getRank: prepare('SELECT rank FROM contents WHERE digest = ?'),
    lowerRank: prepare('UPDATE contents SET rank = ?1 WHERE digest = ?2 AND rank > ?1'),
    addUnread: prepare('INSERT INTO unread_manifests (digest) VALUES (?) ON CONFLICT DO NOTHING'),
    removeUnread: prepare('DELETE FROM unread_manifests WHERE digest = ?'),
    listUnread: prepare(`
      SELECT digest, (SELECT media_type FROM links
        WHERE links.digest = unread_manifests.digest AND media_type IS NOT NULL LIMIT 1) AS media_type
      FROM unread_manifests WHERE digest > ? ORDER BY digest LIMIT ?`),

    addReference: prepare('INSERT INTO content_references (source, target) VALUES (?, ?) ON CONFLICT DO NOTHING'),
    removeReferences: prepare('DELETE FROM content_references WHERE source = ?'),
    listReferences: prepare('SELECT target FROM content_references WHERE source = ?'),
    listSources: prepare('SELECT source FROM content_references WHERE target = ?'),
    rankOfReferences: prepare(`
      SELECT min(rank) AS rank FROM content_references JOIN contents ON digest = target WHERE source = ?`),
    referencesWithSizes: prepare(`
      SELECT target, size_bytes FROM content_references LEFT JOIN contents ON digest = target WHERE source = ?`),

    getUse: prepare('SELECT used_at_ms FROM contents WHERE digest = ?'),
    raiseUse: prepare('UPDATE contents SET used_at_ms = ?1 WHERE digest = ?2 AND used_at_ms < ?1'),
    addHits: prepare('UPDATE contents SET hits = hits + ? WHERE digest = ?'),

    listByUse: prepare(`
      SELECT ${contentColumns} FROM contents WHERE (used_at_ms, rank, digest) > (?, ?, ?) AND hosted = 0
      ORDER BY used_at_ms, rank, digest LIMIT ?`),
    listByDigest: prepare(`SELECT ${contentColumns} FROM contents WHERE digest > ? ORDER BY digest LIMIT ?`),
    listReferrers: prepare(`
      SELECT target, source FROM json_each(?) CROSS JOIN content_references ON target = value`),
    anyPin: prepare('SELECT 1 FROM pins LIMIT 1'),
    // From one content up to what references it: most is reached from little.
    isPinned: prepare(`
      WITH RECURSIVE above (digest) AS (
        VALUES (?) UNION SELECT source FROM above CROSS JOIN content_references ON target = above.digest
      )
      SELECT 1 FROM above
      WHERE EXISTS (SELECT 1 FROM pins WHERE reference = above.digest)
        OR EXISTS (SELECT 1 FROM tags CROSS JOIN pins ON pins.reference = tags.name
            AND pins.repository_id = tags.repository_id WHERE tags.digest = above.digest)
      LIMIT 1`),
    // For many from the pins down: pins are few, but a base layer is reached from thousands of manifests.
    listPinned: prepare(`
      WITH RECURSIVE below (digest) AS (
        SELECT coalesce(tags.digest, reference) FROM pins
          LEFT JOIN tags ON tags.repository_id = pins.repository_id AND tags.name = reference
        UNION SELECT target FROM below CROSS JOIN content_references ON source = below.digest
      )
      SELECT digest FROM below`),
  };
}
