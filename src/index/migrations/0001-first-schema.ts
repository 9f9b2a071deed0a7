/**
 * The first schema. Repositories have numbers, so that the rows that are many stay small; they are never removed, so
 * that a process may remember a number for as long as it lives. A link may come before its content is stored.
 *
 * The totals are a row that triggers keep: a sum over the sizes takes 7 ms at 100,000 rows, and they are asked for
 * after every download.
 */
export const firstSchema = {
  id: 1,
  name: 'first-schema',
  sql: `
    CREATE TABLE repositories (
      id INTEGER PRIMARY KEY,
      registry TEXT NOT NULL,
      name TEXT NOT NULL,
      UNIQUE (registry, name)
    ) STRICT;

    CREATE TABLE tags (
      repository_id INTEGER NOT NULL REFERENCES repositories (id),
      name TEXT NOT NULL,
      digest TEXT NOT NULL,
      media_type TEXT NOT NULL,
      size_bytes INTEGER NOT NULL,
      checked_at_ms INTEGER NOT NULL,
      PRIMARY KEY (repository_id, name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE links (
      repository_id INTEGER NOT NULL REFERENCES repositories (id),
      digest TEXT NOT NULL,
      media_type TEXT,
      linked_at_ms INTEGER NOT NULL,
      PRIMARY KEY (repository_id, digest)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX links_by_digest ON links (digest);

    CREATE TABLE contents (
      digest TEXT NOT NULL PRIMARY KEY,
      size_bytes INTEGER NOT NULL,
      used_at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE totals (
      only INTEGER PRIMARY KEY CHECK (only = 1),
      contents INTEGER NOT NULL,
      size_bytes INTEGER NOT NULL
    ) STRICT;
    INSERT INTO totals VALUES (1, 0, 0);
    CREATE TRIGGER content_added AFTER INSERT ON contents BEGIN
      UPDATE totals SET contents = contents + 1, size_bytes = size_bytes + new.size_bytes;
    END;
    CREATE TRIGGER content_resized AFTER UPDATE OF size_bytes ON contents BEGIN
      UPDATE totals SET size_bytes = size_bytes - old.size_bytes + new.size_bytes;
    END;
    CREATE TRIGGER content_removed AFTER DELETE ON contents BEGIN
      UPDATE totals SET contents = contents - 1, size_bytes = size_bytes - old.size_bytes;
    END;
  `,
};
