/**
 * Content that the last repository let go of, a hosted one: nobody will ask for it, but somebody has to remove its bytes,
 * also when that is much later, or after a crash. Content of the cache that no repository is linked to is another thing:
 * after the index was lost, all of it is so until it is asked for.
 */
export const contentLetGo = {
  id: 5,
  name: 'content-let-go',
  sql: `
    CREATE TABLE let_go (
      digest TEXT NOT NULL PRIMARY KEY REFERENCES contents (digest) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER content_let_go_by_all AFTER DELETE ON links WHEN old.repository_id < 0 BEGIN
      INSERT INTO let_go
        SELECT digest FROM contents
        WHERE digest = old.digest AND NOT EXISTS (SELECT 1 FROM links WHERE links.digest = old.digest)
        ON CONFLICT DO NOTHING;
    END;
  `,
};
