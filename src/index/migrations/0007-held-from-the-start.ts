/**
 * Content that a hosted repository is linked to already when its row is made, as that of every push is: the row says so at
 * once. Noted afterwards, it went into the index by use, and out of it again, and was counted twice.
 */
export const heldFromTheStart = {
  id: 7,
  name: 'held-from-the-start',
  sql: `
    DROP TRIGGER content_counted;
    CREATE TRIGGER content_counted AFTER INSERT ON contents BEGIN
      UPDATE totals SET
        contents = contents + 1 - new.hosted,
        size_bytes = size_bytes + new.size_bytes * (1 - new.hosted),
        hosted_contents = hosted_contents + new.hosted,
        hosted_bytes = hosted_bytes + new.size_bytes * new.hosted;
    END;
    DROP TRIGGER content_held_before;
    CREATE TRIGGER content_held_before AFTER INSERT ON contents
    WHEN new.hosted = 0 AND EXISTS (SELECT 1 FROM links WHERE digest = new.digest AND repository_id < 0) BEGIN
      UPDATE contents SET hosted = 1 WHERE digest = new.digest;
    END;
  `,
};
