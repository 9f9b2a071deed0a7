/**
 * Whether the hosted repositories were noted from their records since this index was begun: a new one is empty, and must
 * not be taken for one in which nothing is held. A row stands for "yes".
 */
export const rebuiltFromRecords = {
  id: 4,
  name: 'rebuilt-from-records',
  sql: 'CREATE TABLE rebuilt_from_records (only INTEGER PRIMARY KEY CHECK (only = 1)) STRICT;',
};
