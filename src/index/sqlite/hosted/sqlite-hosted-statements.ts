import type { DatabaseSync } from 'node:sqlite';

/** The statements about hosted repositories, each prepared once. */
export type HostedStatements = ReturnType<typeof prepareHostedStatements>;

/** Prepares the statements about hosted repositories. Arguments are bound in the order of the question marks, or of their numbers. */
export function prepareHostedStatements(database: DatabaseSync) {
  const prepare = (sql: string) => database.prepare(sql);
  return {
    isStored: prepare('SELECT 1 FROM contents WHERE digest = ?'),
    isLinked: prepare('SELECT 1 FROM links WHERE digest = ? LIMIT 1'),
    has: prepare('SELECT 1 FROM links JOIN contents USING (digest) WHERE repository_id = ? AND digest = ?'),
    getLink: prepare('SELECT media_type, linked_at_ms FROM links WHERE repository_id = ? AND digest = ?'),
    renewLink: prepare(`
      INSERT INTO links (repository_id, digest, media_type, linked_at_ms) VALUES (?, ?, ?, ?)
      ON CONFLICT (repository_id, digest) DO UPDATE SET
        media_type = coalesce(excluded.media_type, media_type), linked_at_ms = max(linked_at_ms, excluded.linked_at_ms)`),
    renewOlder: prepare('UPDATE links SET linked_at_ms = max(linked_at_ms, ?) WHERE repository_id = ? AND digest = ?'),
    removeLink: prepare('DELETE FROM links WHERE repository_id = ? AND digest = ?'),
    makeBlob: prepare('UPDATE links SET media_type = NULL WHERE repository_id = ? AND digest = ?'),
    letGo: prepare(
      'DELETE FROM links WHERE repository_id = ? AND digest = ? AND media_type IS NULL AND linked_at_ms = ?',
    ),
    putManifest: prepare(`
      INSERT INTO hosted_manifests (repository_id, digest, subject, artifact_type, annotations)
      VALUES (?, ?, ?, ?, ?)`),
    removeManifest: prepare('DELETE FROM hosted_manifests WHERE repository_id = ? AND digest = ?'),
    addReference: prepare(
      'INSERT INTO hosted_references (repository_id, source, target) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    ),
    isReferenced: prepare('SELECT 1 FROM hosted_references WHERE repository_id = ? AND target = ? LIMIT 1'),
    listTagsOf: prepare('SELECT name FROM tags WHERE digest = ? AND repository_id = ? ORDER BY name'),
    untag: prepare('DELETE FROM tags WHERE repository_id = ?1 AND name = ?2 AND digest = coalesce(?3, digest)'),
    removeTagsOf: prepare('DELETE FROM tags WHERE digest = ? AND repository_id = ?'),
    listReferrers: prepare(`
      SELECT hosted_manifests.digest, media_type, size_bytes, artifact_type, annotations
      FROM hosted_manifests INDEXED BY hosted_referrers
      CROSS JOIN links ON links.repository_id = hosted_manifests.repository_id AND links.digest = hosted_manifests.digest
      CROSS JOIN contents ON contents.digest = hosted_manifests.digest
      WHERE hosted_manifests.repository_id = ?1 AND subject = ?2 AND hosted_manifests.digest > ?3
        AND media_type IS NOT NULL
        AND (?4 IS NULL OR artifact_type = ?4)
      ORDER BY hosted_manifests.digest LIMIT ?5`),
    listLinks: prepare(listLinks),
    isUnused: prepare(`
      SELECT 1 FROM links WHERE repository_id = ?1 AND digest = ?2 AND linked_at_ms < ?3
        AND media_type IS NOT NULL AND NOT ${isInManifest} AND NOT ${isTagged} AND NOT (?4 AND ${isReferrer})`),
    listHolders: prepare(`
      SELECT registry, name FROM links CROSS JOIN repositories ON id = repository_id
      WHERE links.digest = ?1 AND EXISTS (SELECT 1 FROM contents WHERE contents.digest = ?1)
      ORDER BY repository_id LIMIT ?2`),
    isRebuilt: prepare('SELECT 1 FROM rebuilt_from_records WHERE only = 1'),
    markRebuilt: prepare('INSERT INTO rebuilt_from_records (only) VALUES (1) ON CONFLICT DO NOTHING'),
    listLetGo: prepare(`
      SELECT let_go.digest, size_bytes FROM let_go CROSS JOIN contents ON contents.digest = let_go.digest
      WHERE let_go.digest > ? AND NOT EXISTS (SELECT 1 FROM links WHERE links.digest = let_go.digest)
      ORDER BY let_go.digest LIMIT ?`),
    totals: prepare('SELECT hosted_contents, hosted_bytes FROM totals'),
    countRepositories: prepare(`
      SELECT count(*) AS repositories FROM repositories
      WHERE id < 0 AND EXISTS (SELECT 1 FROM links WHERE repository_id = repositories.id)`),
  };
}

const isReferenced = `EXISTS (SELECT 1 FROM hosted_references
  WHERE hosted_references.repository_id = links.repository_id AND target = links.digest)`;

// By what is a manifest still: what was removed a moment ago, and not let go of, goes with what it references.
const isInManifest = `EXISTS (SELECT 1 FROM hosted_references
  JOIN links AS sources ON sources.repository_id = hosted_references.repository_id AND sources.digest = source
  WHERE hosted_references.repository_id = links.repository_id AND target = links.digest
    AND sources.media_type IS NOT NULL)`;

const isTagged =
  'EXISTS (SELECT 1 FROM tags WHERE tags.digest = links.digest AND tags.repository_id = links.repository_id)';

const isReferrer = `EXISTS (SELECT 1 FROM hosted_manifests AS referrers
  JOIN links AS subjects ON subjects.repository_id = referrers.repository_id AND subjects.digest = referrers.subject
  WHERE referrers.repository_id = links.repository_id AND referrers.digest = links.digest
    AND subjects.media_type IS NOT NULL)`;

// Nothing beyond the page is read, whatever is looked for on it.
const listLinks = `
  SELECT name, links.digest, media_type, linked_at_ms, coalesce(size_bytes, 0) AS size_bytes,
    ${isTagged} AS is_tagged,
    subject, (SELECT json_group_array(target) FROM hosted_references
      WHERE hosted_references.repository_id = links.repository_id AND source = links.digest) AS targets,
    contents.digest IS NULL AND (media_type IS NOT NULL OR ${isReferenced}) AS is_lost
  FROM links
  CROSS JOIN repositories ON id = links.repository_id
  LEFT JOIN contents ON contents.digest = links.digest
  LEFT JOIN hosted_manifests
    ON hosted_manifests.repository_id = links.repository_id AND hosted_manifests.digest = links.digest
  WHERE (links.repository_id, links.digest) > (?, ?) AND links.repository_id < 0
  ORDER BY links.repository_id, links.digest LIMIT ?`;
