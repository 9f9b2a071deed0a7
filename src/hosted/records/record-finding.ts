/** Where records, index and store do not say the same of the hosted repositories. */
export interface RecordFinding {
  readonly kind: /** It cannot be read, or its name is none that is known. */
    | 'broken record'
    /** It is of a manifest that is not stored, or damaged, or has lost what it needs; or of a tag that stands for such a one. */
    | 'lost manifest'
    /** The index has not what it says. */
    | 'unnoted record'
    /** The index has a tag or manifest that it says nothing, or something else, of. */
    | 'wrong record';
  /** The name of the record. */
  readonly record: string;
  readonly reason: string;
}

/** What kinds of findings there are, in the order in which people are told of them. */
export const recordFindingKinds: readonly RecordFinding['kind'][] = [
  'broken record',
  'lost manifest',
  'unnoted record',
  'wrong record',
];
