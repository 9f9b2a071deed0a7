/**
 * What stored manifests reference, pins, and what is needed to say which content goes first.
 *
 * `rank` is 0 for blobs, -1 for manifests, less for what references manifests: with equal times, what references comes
 * before what it references. Of the manifests that an older version stored it is not known what they reference; those
 * are noted as unread, for somebody who can read their bytes. When they were stored is not known either.
 */
export const referencesAndPins = {
  id: 2,
  name: 'references-and-pins',
  sql: `
    ALTER TABLE contents ADD COLUMN stored_at_ms INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE contents ADD COLUMN hits INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE contents ADD COLUMN rank INTEGER NOT NULL DEFAULT 0;
    UPDATE contents SET
      stored_at_ms = used_at_ms,
      rank = coalesce((
        SELECT min(CASE WHEN media_type LIKE '%.image.index.%' OR media_type LIKE '%.manifest.list.%' THEN -2 ELSE -1 END)
        FROM links WHERE links.digest = contents.digest AND media_type IS NOT NULL), 0);
    CREATE INDEX contents_by_use ON contents (used_at_ms, rank, digest);

    CREATE INDEX manifests_by_repository ON links (repository_id, digest) WHERE media_type IS NOT NULL;
    CREATE INDEX tags_by_digest ON tags (digest, repository_id, name);

    CREATE TABLE content_references (
      source TEXT NOT NULL REFERENCES contents (digest) ON DELETE CASCADE,
      target TEXT NOT NULL,
      PRIMARY KEY (source, target)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX references_by_target ON content_references (target, source);

    CREATE TABLE unread_manifests (
      digest TEXT NOT NULL PRIMARY KEY REFERENCES contents (digest) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    INSERT INTO unread_manifests SELECT digest FROM contents WHERE rank < 0;

    CREATE TABLE pins (
      repository_id INTEGER NOT NULL REFERENCES repositories (id),
      reference TEXT NOT NULL,
      PRIMARY KEY (repository_id, reference)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX pins_by_reference ON pins (reference, repository_id);
  `,
};
