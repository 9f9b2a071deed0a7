/**
 * What hosted repositories have, and which content they hold.
 *
 * The numbers of hosted repositories are negative. So a link says itself whether it holds its content: no trigger, and
 * no query, has to look up the repository of each link that the cache makes. `contents.hosted` is kept by triggers in
 * whatever order links and contents come; held content counts apart, and is not in the index by use, which a page of
 * what may go is read from.
 *
 * What hosted manifests reference is noted here once more, by repository: the reference of a content goes with its row,
 * but a manifest whose bytes are lost still needs what it references, until somebody pushes it again.
 */
export const hostedRepositories = {
  id: 3,
  name: 'hosted-repositories',
  sql: `
    PRAGMA defer_foreign_keys = ON;
    UPDATE repositories SET id = -id WHERE registry = 'hosted.entrepot';
    UPDATE links SET repository_id = -repository_id WHERE -repository_id IN (SELECT id FROM repositories WHERE id < 0);
    UPDATE tags SET repository_id = -repository_id WHERE -repository_id IN (SELECT id FROM repositories WHERE id < 0);
    UPDATE pins SET repository_id = -repository_id WHERE -repository_id IN (SELECT id FROM repositories WHERE id < 0);
    CREATE TRIGGER repository_added AFTER INSERT ON repositories
    WHEN (new.registry = 'hosted.entrepot') <> (new.id < 0) BEGIN
      SELECT raise(ABORT, 'the numbers of hosted repositories are negative, and only theirs');
    END;

    CREATE TABLE hosted_manifests (
      repository_id INTEGER NOT NULL REFERENCES repositories (id),
      digest TEXT NOT NULL,
      subject TEXT,
      artifact_type TEXT,
      annotations TEXT,
      PRIMARY KEY (repository_id, digest)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX hosted_referrers ON hosted_manifests (repository_id, subject, digest) WHERE subject IS NOT NULL;

    CREATE TABLE hosted_references (
      repository_id INTEGER NOT NULL,
      source TEXT NOT NULL,
      target TEXT NOT NULL,
      PRIMARY KEY (repository_id, source, target),
      FOREIGN KEY (repository_id, source) REFERENCES hosted_manifests (repository_id, digest) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX hosted_references_by_target ON hosted_references (repository_id, target);

    ALTER TABLE contents ADD COLUMN hosted INTEGER NOT NULL DEFAULT 0;
    DROP INDEX contents_by_use;
    CREATE INDEX contents_by_use ON contents (used_at_ms, rank, digest) WHERE hosted = 0;

    ALTER TABLE totals ADD COLUMN hosted_contents INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE totals ADD COLUMN hosted_bytes INTEGER NOT NULL DEFAULT 0;
    DROP TRIGGER content_added;
    DROP TRIGGER content_resized;
    DROP TRIGGER content_removed;
    CREATE TRIGGER content_counted AFTER INSERT ON contents BEGIN
      UPDATE totals SET contents = contents + 1, size_bytes = size_bytes + new.size_bytes;
    END;
    CREATE TRIGGER content_recounted AFTER UPDATE OF size_bytes, hosted ON contents
    WHEN (old.size_bytes, old.hosted) <> (new.size_bytes, new.hosted) BEGIN
      UPDATE totals SET
        contents = contents + old.hosted - new.hosted,
        size_bytes = size_bytes - old.size_bytes * (1 - old.hosted) + new.size_bytes * (1 - new.hosted),
        hosted_contents = hosted_contents - old.hosted + new.hosted,
        hosted_bytes = hosted_bytes - old.size_bytes * old.hosted + new.size_bytes * new.hosted;
    END;
    CREATE TRIGGER content_uncounted AFTER DELETE ON contents BEGIN
      UPDATE totals SET
        contents = contents - (1 - old.hosted),
        size_bytes = size_bytes - old.size_bytes * (1 - old.hosted),
        hosted_contents = hosted_contents - old.hosted,
        hosted_bytes = hosted_bytes - old.size_bytes * old.hosted;
    END;

    CREATE TRIGGER content_held_before AFTER INSERT ON contents
    WHEN EXISTS (SELECT 1 FROM links WHERE digest = new.digest AND repository_id < 0) BEGIN
      UPDATE contents SET hosted = 1 WHERE digest = new.digest;
    END;
    CREATE TRIGGER content_held AFTER INSERT ON links WHEN new.repository_id < 0 BEGIN
      UPDATE contents SET hosted = 1 WHERE digest = new.digest AND hosted = 0;
    END;
    CREATE TRIGGER content_let_go AFTER DELETE ON links WHEN old.repository_id < 0 BEGIN
      UPDATE contents SET hosted = 0 WHERE digest = old.digest AND hosted = 1
        AND NOT EXISTS (SELECT 1 FROM links WHERE links.digest = old.digest AND repository_id < 0);
    END;
    UPDATE contents SET hosted = 1 WHERE digest IN (SELECT digest FROM links WHERE repository_id < 0);
  `,
};
